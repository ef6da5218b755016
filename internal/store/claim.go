package store

import (
	"context"
	"sync/atomic"
)

// claim is a caller's wait for work that another goroutine does for it. The caller
// can leave until the work begins; after that it waits, because the outcome matters.
type claim struct {
	ctx   context.Context
	state atomic.Int32
	err   error         // the outcome, once done is closed
	done  chan struct{} // closed by the worker, once
}

const (
	waiting int32 = iota // zero: not begun
	begun
	left // by the caller
)

func newClaim(ctx context.Context) claim { return claim{ctx: ctx, done: make(chan struct{})} }

// await returns the outcome, or the end of the context if that comes before
// the work has begun.
func (c *claim) await() error {
	select {
	case <-c.done:
	case <-c.ctx.Done():
		if c.state.CompareAndSwap(waiting, left) {
			return c.ctx.Err()
		}
		<-c.done
	}
	return c.err
}

// begin reports whether the caller still waits, and keeps it waiting.
func (c *claim) begin() bool {
	return c.ctx.Err() == nil && c.state.CompareAndSwap(waiting, begun)
}

// undo marks the work as not begun, so that the caller can leave again.
func (c *claim) undo() { c.state.CompareAndSwap(begun, waiting) }

// finish reports the outcome.
func (c *claim) finish(err error) {
	c.err = err
	close(c.done)
}
