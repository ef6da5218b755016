package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// usage collects when keys and root keys were last used, and what workspaces used,
// until it is saved. It is accurate to some minutes, because it is not worth a write
// per verification.
type usage struct {
	mu    sync.Mutex
	at    map[string]int64          // by key id, unix ms
	roots []*rootKey                // used since the last save
	sums  map[string]workspaceUsage // by workspace, besides what the root keys count
}

// workspaceUsage are numbers of billable calls.
type workspaceUsage struct{ verifications, ratelimits int64 }

// usageCounter counts the billable calls of a root key, cheaply even if many CPUs
// count at the same time.
type usageCounter [16]struct {
	verifications, ratelimits atomic.Int64
	_                         [48]byte // one cache line each
}

// take returns the counts and sets them to 0.
func (c *usageCounter) take() (sum workspaceUsage) {
	for i := range c {
		sum.verifications += c[i].verifications.Swap(0)
		sum.ratelimits += c[i].ratelimits.Swap(0)
	}
	return sum
}

// countVerification counts a valid verification by the root key.
func (u *usage) countVerification(root *rootKey, lane uint32) {
	if root.counter == nil {
		u.add(root.workspace, workspaceUsage{verifications: 1})
		return
	}
	root.counter[lane%uint32(len(root.counter))].verifications.Add(1)
	u.noteRoot(root) // after counting, so that a save that runs now leaves nothing behind
}

// countRatelimit counts a call of ratelimit.limit or multiLimit that passed.
func (u *usage) countRatelimit(root *rootKey, lane uint32) {
	if root.counter == nil {
		u.add(root.workspace, workspaceUsage{ratelimits: 1})
		return
	}
	root.counter[lane%uint32(len(root.counter))].ratelimits.Add(1)
	u.noteRoot(root)
}

// add counts for a workspace without a root key that counts, as in version 1 of the
// API, in which keys are verified without one.
func (u *usage) add(workspace string, n workspaceUsage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.addLocked(workspace, n)
}

func (u *usage) addLocked(workspace string, n workspaceUsage) {
	if workspace == "" || n == (workspaceUsage{}) {
		return
	}
	if u.sums == nil {
		u.sums = make(map[string]workspaceUsage)
	}
	sum := u.sums[workspace]
	u.sums[workspace] = workspaceUsage{
		sum.verifications + n.verifications, sum.ratelimits + n.ratelimits,
	}
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

// take returns the collected uses and counts and clears them. Root keys were used
// at most one save ago, which counts as now.
func (u *usage) take(now int64) ([]keyUse, map[string]workspaceUsage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	uses := make([]keyUse, 0, len(u.at)+len(u.roots))
	for id, at := range u.at {
		uses = append(uses, keyUse{id: id, at: at})
	}
	for _, root := range u.roots {
		root.used.Store(false)
		u.addLocked(root.workspace, root.counter.take())
		uses = append(uses, keyUse{id: root.id, at: now, root: true})
	}
	sums := u.sums
	u.at, u.roots, u.sums = nil, nil, nil
	return uses, sums
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

// saveUsage saves when keys were last used and what workspaces used, in
// transactions small enough not to delay concurrent changes.
func (e *Engine) saveUsage(ctx context.Context) error {
	now := e.now()
	uses, sums := e.used.take(now)
	return errors.Join(e.saveLastUses(ctx, uses), e.saveSums(ctx, beginOfMonth(now), sums))
}

const usageBatch = 500 // rows in a transaction

func (e *Engine) saveLastUses(ctx context.Context, uses []keyUse) error {
	for some := range slices.Chunk(uses, usageBatch) {
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

// saveSums adds what workspaces used to their month. What can't be saved is kept
// for the next time, unless it may have been saved.
func (e *Engine) saveSums(
	ctx context.Context, month time.Time, sums map[string]workspaceUsage,
) error {
	var failed error
	for some := range slices.Chunk(slices.Sorted(maps.Keys(sums)), usageBatch/2) {
		err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, workspace := range some {
				if err := sums[workspace].save(ctx, tx, workspace, month); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrUnknownOutcome) {
			for _, workspace := range some {
				e.used.add(workspace, sums[workspace])
			}
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (n workspaceUsage) save(
	ctx context.Context, tx *store.Tx, workspace string, month time.Time,
) error {
	if n.verifications > 0 {
		err := tx.AddAmount(ctx, workspace, monthly(usedVerifications, month), n.verifications)
		if err != nil {
			return err
		}
	}
	if n.ratelimits > 0 {
		return tx.AddAmount(ctx, workspace, monthly(usedRatelimits, month), n.ratelimits)
	}
	return nil
}

// The kinds of counts of a month.
const (
	usedVerifications = "verifications"
	usedRatelimits    = "ratelimits"
)

// monthly returns the kind of the count of a month, such as verifications/2026-11.
func monthly(kind string, month time.Time) string { return kind + month.Format("/2006-01") }

// beginOfMonth returns the beginning of the month (UTC) of a time in unix milliseconds.
func beginOfMonth(ms int64) time.Time {
	year, month, _ := time.UnixMilli(ms).UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}
