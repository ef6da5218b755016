package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// dataKey returns the wrapped data key of that name, which it creates on first
// use.
func (e *Engine) dataKey(ctx context.Context, id string) ([]byte, error) {
	wrapped, err := e.db.DataKey(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return wrapped, err
	}
	err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		wrapped, err = e.dataKeyIn(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wrapped, nil
}

// dataKeyIn is dataKey inside a transaction.
func (e *Engine) dataKeyIn(ctx context.Context, tx *store.Tx, id string) ([]byte, error) {
	wrapped, err := tx.DataKey(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return wrapped, err
	}
	if wrapped, err = e.vault.NewDataKey(); err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	if err := tx.InsertDataKey(ctx, id, wrapped); err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	return wrapped, nil
}

// seal stores the plaintext of a recoverable key, encrypted with its keyspace's
// data key and bound to its row.
func (e *Engine) seal(ctx context.Context, c *Change, keyspace, id, plaintext string) error {
	wrapped, err := e.dataKeyIn(ctx, c.tx, keyspace)
	if err != nil {
		return err
	}
	sealed, err := e.vault.Seal(wrapped, []byte(plaintext), c.who.root.workspace, id)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return c.tx.InsertSealedKey(ctx, id, sealed)
}

// plaintext returns the secret of a recoverable key, or "" for other keys.
func (e *Engine) plaintext(ctx context.Context, keyspace string, k *read.Key) (string, error) {
	sealed, err := e.db.SealedKey(ctx, k.ID)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("sealed key: %w", err)
	}
	wrapped, err := e.db.DataKey(ctx, keyspace)
	if err != nil {
		return "", fmt.Errorf("data key: %w", err)
	}
	text, err := e.vault.Unseal(wrapped, sealed, k.WorkspaceID, k.ID)
	if err != nil {
		return "", fmt.Errorf("key %s: %w", k.ID, err)
	}
	return string(text), nil
}
