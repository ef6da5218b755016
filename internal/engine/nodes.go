package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

const (
	heartbeatInterval = time.Second     // between the heartbeats of a node
	deadAfter         = 3 * time.Second // without a heartbeat, a node is dead
	removeAfter       = time.Hour       // without a heartbeat, a node is deleted
	maxSilence        = 5 * time.Second // without the change log, a node is not ready
)

// nodes knows the live nodes. Each node increments its heartbeat counter in the
// store; a node whose counter stops for a while, by this node's monotonic
// clock, is dead. Wall clocks are not compared.
type nodes struct {
	count atomic.Int64 // live nodes, including this one; 0 before the first reading

	mu   sync.Mutex
	last time.Time // of the latest reading
	seen map[string]nodeState
}

// nodeState is the last known state of a node.
type nodeState struct {
	beats int64
	moved time.Time // when the counter last changed
}

// live returns the number of live nodes, including this one.
func (n *nodes) live() int { return max(1, int(n.count.Load())) }

// read updates the state of the nodes from their rows and returns the nodes to
// delete. A new node counts as live. After a pause between readings every node
// counts as live, because no counter could be seen to change.
func (n *nodes) read(now time.Time, rows []read.Node) (gone []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	silent := now.Sub(n.last) > 2*heartbeatInterval
	n.last = now
	before := n.seen
	n.seen = make(map[string]nodeState, len(rows))
	running := 0
	for _, row := range rows {
		p, known := before[row.ID]
		if !known || p.beats != row.Beats || silent {
			p = nodeState{row.Beats, now}
		}
		n.seen[row.ID] = p
		switch still := now.Sub(p.moved); {
		case still < deadAfter:
			running++
		case still > removeAfter:
			gone = append(gone, row.ID)
		}
	}
	n.count.Store(int64(running))
	return gone
}

// heartbeat increments this node's counter and reads those of the others.
func (e *Engine) heartbeat(ctx context.Context) error {
	err := e.source.Breaker.Do(func() error { return e.db.Heartbeat(ctx) })
	e.readOnly.Store(store.IsReadOnly(err))
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	rows, err := e.db.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	for _, id := range e.nodes.read(time.Now(), rows) {
		if err := e.dropNode(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Ready returns the reason why this node can't do all work, or nil: the database accepts
// no changes, or the change log can't be read in time.
func (e *Engine) Ready() error {
	if e.readOnly.Load() {
		return errors.New("the database accepts no changes: it is read-only")
	}
	if !e.db.Shared() {
		return nil
	}
	if silence := e.source.Clock.Lag(); silence > maxSilence {
		return fmt.Errorf("the change log was last read %v ago", silence.Round(time.Second))
	}
	return nil
}

// deregister deletes this node from the list of nodes.
func (e *Engine) deregister(ctx context.Context) error {
	if !e.db.Shared() {
		return nil
	}
	return e.dropNode(ctx, e.db.Node())
}

func (e *Engine) dropNode(ctx context.Context, id string) error {
	err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.DropNode(ctx, id)
	})
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	return nil
}
