package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// dataKey is a wrapped data key.
type dataKey struct {
	id      string
	wrapped []byte
}

// recordsOwner is the owner of the data key of idempotency records. Those of recoverable
// keys are owned by keyspaces.
const recordsOwner = "answers"

// maxUses is how many values are sealed under one data key, half of what its random nonces
// are safe for. Idempotency records don't count: each Idempotency-Key has a derived key.
const maxUses = 1 << 31

// refreshRecordsKey reads the data key of new idempotency records, and creates it on first
// use. Nodes do so every minute, and a retired one is kept for more than a day.
func (e *Engine) refreshRecordsKey(ctx context.Context) error {
	row, err := e.db.CurrentDataKey(ctx, recordsOwner)
	key := dataKey{row.ID, row.Wrapped}
	if errors.Is(err, store.ErrNotFound) {
		err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			key, err = e.dataKeyFor(ctx, tx, recordsOwner)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("data key: %w", err)
	}
	e.recordsKey.Store(&key)
	return nil
}

// dataKeyFor returns the data key of an owner's new values. It is created on first use, after
// the last one was retired, and when the last one was used too often.
func (e *Engine) dataKeyFor(ctx context.Context, tx *store.Tx, owner string) (dataKey, error) {
	row, err := tx.CurrentDataKey(ctx, owner)
	switch {
	case err == nil && row.Uses < maxUses:
		return dataKey{row.ID, row.Wrapped}, nil
	case err == nil:
		err = tx.RetireDataKey(ctx, row.ID, e.now())
	case errors.Is(err, store.ErrNotFound):
		err = nil
	}
	if err != nil {
		return dataKey{}, fmt.Errorf("data key: %w", err)
	}
	wrapped, err := e.vault.NewDataKey()
	if err != nil {
		return dataKey{}, fmt.Errorf("data key: %w", err)
	}
	key := dataKey{NewID("dk"), wrapped}
	if err := tx.InsertDataKey(ctx, key.id, wrapped, owner); err != nil {
		return dataKey{}, fmt.Errorf("data key: %w", err)
	}
	return key, nil
}

// seal stores the plaintext of a recoverable key, encrypted with a data key of its keyspace
// and bound to its row.
func (e *Engine) seal(ctx context.Context, c *Change, keyspace, id, plaintext string) error {
	key, err := e.dataKeyFor(ctx, c.tx, keyspace)
	if err != nil {
		return err
	}
	sealed, err := e.vault.Seal(key.wrapped, []byte(plaintext), c.who.root.workspace, id)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := c.tx.UseDataKey(ctx, key.id, 1); err != nil {
		return err
	}
	return c.tx.InsertSealedKey(ctx, id, sealed, key.id)
}

// plaintext returns the secret of a recoverable key, or "" for other keys.
func (e *Engine) plaintext(ctx context.Context, keyspace string, k *read.Key) (string, error) {
	var wrapped []byte
	sealed, err := e.db.SealedKey(ctx, k.ID)
	for range 2 { // between the reads the value may have been sealed under a new data key
		if errors.Is(err, store.ErrNotFound) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("sealed key: %w", err)
		}
		wrapped, err = e.db.DataKey(ctx, cmp.Or(sealed.DataKey, keyspace))
		if !errors.Is(err, store.ErrNotFound) {
			break
		}
		sealed, err = e.db.SealedKey(ctx, k.ID)
	}
	if err != nil || wrapped == nil {
		return "", fmt.Errorf("data key of key %s: %w", k.ID, cmp.Or(err, store.ErrNotFound))
	}
	text, err := e.vault.Unseal(wrapped, sealed.Sealed, k.WorkspaceID, k.ID)
	if err != nil {
		return "", fmt.Errorf("key %s: %w", k.ID, err)
	}
	return string(text), nil
}

// replaceDataKeys seals what is sealed under retired data keys under new ones, a few values
// at once, and deletes retired data keys that nothing is sealed under. It can be interrupted
// at any time, and continues where it was.
func (e *Engine) replaceDataKeys(ctx context.Context) error {
	if err := e.refreshRecordsKey(ctx); err != nil {
		return err
	}
	retired, err := e.db.RetiredDataKeys(ctx)
	if err != nil {
		return fmt.Errorf("retired data keys: %w", err)
	}
	counts := map[string]int64{}
	var total int64
	for _, key := range retired {
		under, owner := sealedUnder(key), ownerOfDataKey(key)
		if _, counted := counts[under]; counted || owner == recordsOwner || owner == auditOwner {
			continue
		}
		if counts[under], err = e.db.SealedCount(ctx, under); err != nil {
			return fmt.Errorf("values under data key %s: %w", key.ID, err)
		}
		total += counts[under]
	}
	e.resealPending.Store(total)
	var errs []error
	for under, n := range counts {
		if n > 0 {
			errs = append(errs, e.replaceDataKey(ctx, under))
		}
	}
	const (
		recordsLast = 25 * time.Hour  // a day, and what it takes a node to read the new one
		readersLast = 5 * time.Second // readers of a value read its data key next
	)
	for _, key := range retired {
		switch {
		case ownerOfDataKey(key) == auditOwner: // the codes of old blocks need it
		case ownerOfDataKey(key) == recordsOwner:
			errs = append(errs, e.deleteDataKey(ctx, key, recordsLast))
		case counts[sealedUnder(key)] == 0:
			errs = append(errs, e.deleteDataKey(ctx, key, readersLast))
		}
	}
	return errors.Join(errs...)
}

func ownerOfDataKey(key read.RetiredDataKeysRow) string { return cmp.Or(key.Owner, key.ID) }

// sealedUnder returns what the values under a data key have as its id: "" for one that has no
// owner (see migration 12).
func sealedUnder(key read.RetiredDataKeysRow) string {
	if key.Owner == "" {
		return ""
	}
	return key.ID
}

// replaceDataKey seals all values under a data key again.
func (e *Engine) replaceDataKey(ctx context.Context, under string) error {
	damaged := 0
	for last := ""; ; {
		rows, bad, after := 0, 0, last
		err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			rows, bad, last, err = e.reseal(ctx, tx, under, after)
			return err
		})
		if err != nil {
			return err
		}
		if damaged += bad; rows == 0 {
			break
		}
		e.resealPending.Add(int64(bad - rows))
	}
	if under != "" {
		bad, err := e.resealWebhooks(ctx, under)
		if err != nil {
			return err
		}
		damaged += bad
	}
	if damaged > 0 {
		return fmt.Errorf("data key %q: %d values under it are damaged, so it is kept",
			under, damaged)
	}
	return nil
}

// deleteDataKey deletes a data key that was retired long enough ago.
func (e *Engine) deleteDataKey(
	ctx context.Context, key read.RetiredDataKeysRow, after time.Duration,
) error {
	if e.now()-key.RetiredAt < after.Milliseconds() {
		return nil
	}
	return e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.DeleteDataKey(ctx, key.ID)
	})
}

// reseal seals the next few values after a key under current data keys. It returns how many
// there were, how many of them are damaged and stay as they are, and the last one.
func (e *Engine) reseal(
	ctx context.Context, tx *store.Tx, under, after string,
) (rows, damaged int, last string, err error) {
	const few = 50
	values, err := tx.SealedUnder(ctx, under, after, few)
	if err != nil {
		return 0, 0, after, fmt.Errorf("sealed keys: %w", err)
	}
	replacements := map[string]*replacement{} // by keyspace
	last = after
	for _, v := range values {
		last = v.KeyID
		r, found := replacements[v.KeyspaceID]
		if !found {
			if r, err = e.replacementOf(ctx, tx, under, v.KeyspaceID); err != nil {
				return 0, 0, after, err
			}
			replacements[v.KeyspaceID] = r
		}
		text, err := e.vault.Unseal(r.old, v.Sealed, v.WorkspaceID, v.KeyID)
		if err != nil {
			damaged++
			continue
		}
		sealed, err := e.vault.Seal(r.key.wrapped, text, v.WorkspaceID, v.KeyID)
		if err != nil {
			return 0, 0, after, err
		}
		if err := tx.Reseal(ctx, v.KeyID, sealed, r.key.id); err != nil {
			return 0, 0, after, fmt.Errorf("reseal: %w", err)
		}
		r.uses++
	}
	for _, r := range replacements {
		if err := tx.UseDataKey(ctx, r.key.id, r.uses); err != nil {
			return 0, 0, after, err
		}
	}
	return len(values), damaged, last, nil
}

// replacement is a data key in place of another one.
type replacement struct {
	old  []byte // wrapped
	key  dataKey
	uses int64
}

func (e *Engine) replacementOf(
	ctx context.Context, tx *store.Tx, under, keyspace string,
) (*replacement, error) {
	old, err := tx.DataKey(ctx, cmp.Or(under, keyspace))
	if err != nil && !errors.Is(err, store.ErrNotFound) { // without it, values are damaged
		return nil, fmt.Errorf("data key: %w", err)
	}
	key, err := e.dataKeyFor(ctx, tx, keyspace)
	return &replacement{old: old, key: key}, err
}

// dropEndedPlaintexts deletes the encrypted plaintexts of keys that were rerolled and whose
// grace period is over.
func (e *Engine) dropEndedPlaintexts(ctx context.Context) error {
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropEndedSealedKeys(ctx, e.now(), chunk)
	})
}
