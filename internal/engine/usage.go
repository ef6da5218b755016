package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// usage collects when keys and root keys were last used until it is saved. It is
// accurate to some minutes, because it is not worth a write per verification.
type usage struct {
	mu    sync.Mutex
	at    map[string]int64 // by key id, unix ms
	roots []*rootKey       // used since the last save
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

// noteRoot records a use of the root key. It reads no clock, because every request
// calls it.
func (u *usage) noteRoot(root *rootKey) {
	if root.used.Load() || !root.used.CompareAndSwap(false, true) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.roots = append(u.roots, root)
}

// take returns the collected uses and clears them. Root keys were used at most one
// save ago, which counts as now.
func (u *usage) take(now int64) []keyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	uses := make([]keyUse, 0, len(u.at)+len(u.roots))
	for id, at := range u.at {
		uses = append(uses, keyUse{id: id, at: at})
	}
	for _, root := range u.roots {
		root.used.Store(false)
		uses = append(uses, keyUse{id: root.id, at: now, root: true})
	}
	u.at, u.roots = nil, nil
	return uses
}

// keyUse is the last use of a key or root key.
type keyUse struct {
	id   string
	at   int64
	root bool
}

func (k keyUse) save(ctx context.Context, tx *store.Tx) error {
	if k.root {
		return tx.MarkRootKeyUsed(ctx, k.id, k.at)
	}
	return tx.MarkKeyUsed(ctx, k.id, k.at)
}

// saveUsage saves when keys were last used, in transactions small enough not to
// delay concurrent changes.
func (e *Engine) saveUsage(ctx context.Context) error {
	const batch = 500
	for some := range slices.Chunk(e.used.take(e.now()), batch) {
		err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, use := range some {
				if err := use.save(ctx, tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
