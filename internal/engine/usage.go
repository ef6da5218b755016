package engine

import (
	"context"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// usage collects when keys were last used until it is saved. It is accurate to
// some minutes, because it is not worth a write per verification.
type usage struct {
	mu sync.Mutex
	at map[string]int64 // by key id, unix ms
}

// usageStep is the shortest interval between recorded uses of a key, in
// milliseconds.
const usageStep = 60_000

// note records a use of the key.
func (u *usage) note(key *keySnapshot, now int64) {
	last := key.used.Load()
	if now-last < usageStep || !key.used.CompareAndSwap(last, now) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = make(map[string]int64)
	}
	u.at[key.id] = now
}

// take returns the collected uses and clears them.
func (u *usage) take() map[string]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at
	u.at = nil
	return at
}

// keyUse is the last use of a key.
type keyUse struct {
	id string
	at int64
}

// saveUsage saves when keys were last used, in transactions small enough not to
// delay concurrent changes.
func (e *Engine) saveUsage(ctx context.Context) error {
	const batch = 500
	rows := make([]keyUse, 0, batch)
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, row := range rows {
				if err := tx.MarkKeyUsed(ctx, row.id, row.at); err != nil {
					return err
				}
			}
			return nil
		})
		rows = rows[:0]
		return err
	}
	for id, at := range e.used.take() {
		if rows = append(rows, keyUse{id, at}); len(rows) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
