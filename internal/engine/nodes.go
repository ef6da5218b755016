package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

const (
	heartbeatInterval = time.Second     // how often a node says that it runs
	deadAfter         = 3 * time.Second // how long the beats of a node may stand still
	removeAfter       = time.Hour       // after which a dead node is taken out of the list
)

// nodes knows which nodes run. A node counts its beats up in the store; one
// whose beats stand still for a while, by this node's own clock, has died. Wall
// clocks don't enter into it.
type nodes struct {
	count atomic.Int64 // how many run, this one included; 0 before the first reading

	mu   sync.Mutex
	last time.Time // of the latest reading
	seen map[string]nodeState
}

// pulse is what is known of one node.
type nodeState struct {
	beats int64
	moved time.Time // when the beats were last seen to have moved
}

// live returns how many nodes run, this one included.
func (n *nodes) live() int { return max(1, int(n.count.Load())) }

// read takes in the list of the nodes and returns those that died long ago. A
// node seen for the first time counts as running. Where there was no reading for
// a while, nobody's beats could be seen to move, so all have their time again.
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

// beat tells the other nodes that this one runs, and looks which of them do.
func (e *Engine) heartbeat(ctx context.Context) error {
	err := e.source.Breaker.Do(func() error { return e.db.Beat(ctx) })
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

// leave takes this node out of the list of those that run.
func (e *Engine) deregister(ctx context.Context) error {
	if !e.db.Shared() {
		return nil
	}
	return e.dropNode(ctx, e.db.Node())
}

func (e *Engine) dropNode(ctx context.Context, id string) error {
	err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.DropNode(ctx, id) })
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	return nil
}
