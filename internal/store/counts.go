package store

import (
	"context"
	"errors"
)

// addend is what a change added to a count.
type addend struct {
	countKey
	n int64
}

// countKey names the count of one kind of object in one workspace.
type countKey struct{ workspace, kind string }

// count is a count in the transaction of a group: its row as far as the group changed it,
// and what of that isn't written yet.
type count struct{ amount, unwritten int64 }

// Count adds n to the number of objects of a kind in a workspace, and returns the new
// number. It is exact, and it costs one read and one write for all changes of a group.
func (tx *Tx) Count(ctx context.Context, workspace, kind string, n int64) (int64, error) {
	key := countKey{workspace, kind}
	c := tx.counts[key]
	if c == nil {
		amount, err := tx.Amount(ctx, workspace, kind)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
		c = &count{amount: amount}
		tx.counts[key] = c
	}
	c.amount += n
	c.unwritten += n
	tx.counted = append(tx.counted, addend{key, n})
	return c.amount, nil
}

// uncount takes back what was counted after the first ones.
func (tx *Tx) uncount(first int) {
	for _, one := range tx.counted[first:] {
		c := tx.counts[one.countKey]
		c.amount -= one.n
		c.unwritten -= one.n
	}
	tx.counted = tx.counted[:first]
}

// writeCounts writes what the group counted.
func (tx *Tx) writeCounts(ctx context.Context) error {
	for key, c := range tx.counts {
		if c.unwritten == 0 {
			continue
		}
		if err := tx.AddAmount(ctx, key.workspace, key.kind, c.unwritten); err != nil {
			return err
		}
		c.unwritten = 0
	}
	return nil
}
