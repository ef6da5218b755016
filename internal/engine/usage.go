package engine

import (
	"context"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// usage collects when keys were last used until it is saved. It is a courtesy to
// people, accurate to some minutes, and not worth a write per verification.
type usage struct {
	mu sync.Mutex
	at map[string]int64 // by key id, unix ms
}

// usageStep is how long a key's use isn't noted again.
const usageStep = 60_000

// note remembers that the key was used.
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

// take returns what was collected and begins anew.
func (u *usage) take() map[string]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at
	u.at = nil
	return at
}

// keyUse is when one key was last used.
type keyUse struct {
	id string
	at int64
}

// saveUsage writes when keys were last used, in transactions small enough not
// to hold up others.
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
