package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/durable"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// healthTimeout bounds the read by which GetHealth finds out whether the database responds.
const healthTimeout = time.Second

// Surroundings is what an engine knows only from the process around it.
type Surroundings struct {
	Version    string           // of the program; "" if it isn't known
	Folder     string           // with the data; "" if there is none
	LastBackup func() time.Time // the zero time for none yet; nil without scheduled backups
}

// GetHealth returns how the service is, as the node that responds sees it: whether it wants
// requests, the nodes, the database and the lag behind changes of other nodes, where rate
// limits are counted, events, disk and backups. It responds while the database is down.
func (e *Engine) GetHealth(
	ctx context.Context, who Caller, _ *latchkey.SystemHealthRequest,
) (latchkey.SystemHealth, error) {
	if err := who.require(everything); err != nil {
		return latchkey.SystemHealth{}, err
	}
	h := latchkey.SystemHealth{
		Ready: true, Version: e.around.Version, StartedAt: latchkey.At(e.startedAt),
		Nodes:      e.nodes.list(time.Now(), e.db.Node()),
		Database:   e.databaseHealth(ctx),
		Ratelimits: e.limiterHealth(),
	}
	if err := e.Ready(); err != nil {
		h.Ready, h.Reason = false, err.Error()
	}
	if e.events != nil {
		n := e.events.Numbers()
		h.Events = &latchkey.SystemEvents{
			Written: n.Written, Dropped: n.Dropped, WaitingBytes: n.WaitingBytes,
			FlushFailures: n.FlushFailures,
		}
	}
	if free, total, err := durable.Space(e.around.Folder); err == nil {
		h.Disk = &latchkey.SystemDisk{FreeBytes: free, TotalBytes: total}
	}
	if e.around.LastBackup != nil {
		h.Backup = &latchkey.SystemBackup{}
		if at := e.around.LastBackup(); !at.IsZero() {
			h.Backup.LastAt = latchkey.At(at)
		}
	}
	return h, nil
}

func (e *Engine) databaseHealth(ctx context.Context) latchkey.SystemDatabase {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	begun := time.Now()
	_, err := e.db.Head(ctx)
	d := latchkey.SystemDatabase{
		Kind: "sqlite", Up: err == nil, Writable: err == nil && !e.readOnly.Load(),
		Latency: latchkey.Per(time.Since(begun)),
	}
	if e.db.Shared() {
		d.Kind = "postgres"
		d.Lag, d.MaxLag = latchkey.Per(e.source.Clock.Lag()), latchkey.Per(coherence.MaxStaleness)
	}
	return d
}

func (e *Engine) limiterHealth() latchkey.SystemRatelimits {
	h := latchkey.SystemRatelimits{Counter: "memory", Mode: string(e.limits), Reachable: true}
	switch l := e.limiter.(type) {
	case *ratelimit.Redis:
		h.Counter, h.Reachable = "redis", l.Reachable()
	case *ratelimit.Rows:
		h.Counter, h.Reachable = "database", l.Reachable()
	}
	return h
}

// list returns the nodes as of the last reading of their heartbeats, this one first.
func (n *nodes) list(now time.Time, self string) []latchkey.SystemNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := []latchkey.SystemNode{{NodeID: self, Self: true, Alive: true}}
	for id, s := range n.seen {
		if silence := now.Sub(s.moved); id != self {
			all = append(all, latchkey.SystemNode{
				NodeID: id, Alive: silence < deadAfter, Silence: latchkey.Per(silence),
			})
		}
	}
	slices.SortFunc(all[1:], func(a, b latchkey.SystemNode) int {
		return strings.Compare(a.NodeID, b.NodeID)
	})
	return all[:min(len(all), maxNodes)]
}

// maxNodes bounds the list of nodes. Nodes that ended are deleted after an hour.
const maxNodes = 1000
