package ratelimit

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// maximum counters in one report, so that it occupies Redis for well under a millisecond
	reportSize    = 100
	reportsAtOnce = 16
	probesAtOnce  = 64
)

// background reports, probes and sweeps until the Redis is closed.
func (r *Redis) background() {
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	probe := time.NewTicker(probeInterval)
	defer probe.Stop()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-report.C:
			if !r.breakers.allOpen() {
				r.report(r.ctx, r.unreportedCounters())
			}
		case <-probe.C:
			if r.breakers.n.Load() > 0 {
				r.probe()
			}
		case <-sweep.C:
			r.sweep()
		}
	}
}

// notNow reports whether a server refused a call for a moment, without doing anything:
// some of its counters are being moved to another server of the cluster, or the cluster
// is electing one.
func notNow(err error) bool {
	refused, ok := rueidis.IsRedisErr(err)
	return ok && (refused.IsTryAgain() || refused.IsClusterDown())
}

// moving reports whether it is only the counters of the call that can't be had.
func moving(err error) bool {
	refused, ok := rueidis.IsRedisErr(err)
	return ok && refused.IsTryAgain()
}

// retryPause is how long a call that was refused for a moment waits.
const retryPause = 10 * time.Millisecond

func pause(ctx context.Context) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lost opens the breaker of some counters after a failed call.
func (r *Redis) lost(err error, counters []counter) {
	if r.ctx.Err() == nil && r.breakers.lose(err, counters) {
		r.tell(err)
	}
}

func (r *Redis) tell(cause error) {
	r.cfg.Log.Warn("rate limits: the shared counters are unreachable; "+
		"this node decides with its share", "error", cause)
}

// probe closes the breakers whose counters can be reached again. While none of some can
// be, it doesn't look at the others.
func (r *Redis) probe() {
	over, done := r.reached(r.breakers.outages(probesAtOnce)), false
	if len(over) > 0 {
		done = r.breakers.regain(over)
		rest := r.reached(r.breakers.outages(math.MaxInt))
		done = len(rest) > 0 && r.breakers.regain(rest) || done
		over = append(over, rest...)
	}
	counters := r.countersOf(over)
	if done {
		r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(counters))
	}
	r.report(r.ctx, counters)
}

// reached returns the outages that are over.
func (r *Redis) reached(outages []*outage) []*outage {
	var mu sync.Mutex
	var over []*outage
	atMost(probesAtOnce, outages, func(o *outage) {
		if r.isOver(o) {
			mu.Lock()
			over = append(over, o)
			mu.Unlock()
		} else if r.breakers.lasts(o) {
			r.tell(o.cause)
		}
	})
	return over
}

// isOver reports whether Redis accepts a write and the call that failed, without costs,
// in time. A ping would not do, because servers that can't count respond to it too:
// replicas, and servers without free memory.
func (r *Redis) isOver(o *outage) bool {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.roundTripTimeout)
	defer cancel()
	began := time.Now()
	err := r.write(ctx, o.counters[0].Workspace)
	if err == nil {
		n := len(o.counters)
		_, _, err = r.run(ctx, r.latest.Load(), batch{counters: o.counters},
			&exchange{synced: make([]state, n), owed: make([]state, n)})
	}
	return err == nil && time.Since(began) <= r.cfg.roundTripTimeout
}

// write writes a key for a moment that is on the same server as the counters of a
// workspace.
func (r *Redis) write(ctx context.Context, workspace string) error {
	return r.client.Do(ctx, r.client.B().Set().Key(string(tag(workspace))).Value("").
		PxMilliseconds(1).Build()).Error()
}

// unreportedCounters returns the counters with something to report.
func (r *Redis) unreportedCounters() []counter {
	var counters []counter
	for i := range r.table.shards {
		s := &r.table.shards[i]
		s.mu.Lock()
		s.unmark(func(e *entry[tally]) {
			if e.state.own != (state{}) {
				counters = append(counters, counter{Key: e.Key, hash: e.hash})
			}
		})
		s.mu.Unlock()
	}
	return counters
}

// countersOf returns the counters of this node that some outages were of.
func (r *Redis) countersOf(outages []*outage) []counter {
	if len(outages) == 0 {
		return nil
	}
	names := make(map[string]bool, len(outages))
	for _, o := range outages {
		names[o.name] = true
	}
	var counters []counter
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		if names[r.breakers.name(e.Workspace)] {
			counters = append(counters, counter{Key: e.Key, hash: e.hash})
		}
	})
	return counters
}

// report sends this node's states of the counters to Redis, and syncs them. States
// that can't be sent stay unreported.
func (r *Redis) report(ctx context.Context, counters []counter) {
	slices.SortFunc(counters, func(a, b counter) int {
		return strings.Compare(a.Workspace, b.Workspace)
	})
	var parts [][]counter
	for len(counters) > 0 {
		n := 1
		for n < min(len(counters), reportSize) && counters[n].Workspace == counters[0].Workspace {
			n++
		}
		parts, counters = append(parts, counters[:n]), counters[n:]
	}
	atMost(reportsAtOnce, parts, func(some []counter) { r.reportSome(ctx, some) })
}

// atMost calls a function with each of some values, at most n of them at once.
func atMost[T any](n int, values []T, do func(T)) {
	var all sync.WaitGroup
	room := make(chan struct{}, n)
	for _, v := range values {
		room <- struct{}{}
		all.Go(func() {
			do(v)
			<-room
		})
	}
	all.Wait()
}

// reportSome reports counters of one workspace in one call.
func (r *Redis) reportSome(ctx context.Context, counters []counter) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.roundTripTimeout)
	defer cancel()
	for ctx.Err() == nil && !r.breakers.isOpen(counters[0].Workspace) {
		_, busy, err := r.ask(ctx, r.latest.Load(), batch{counters: counters})
		switch {
		case busy != nil:
			wait(ctx, busy)
		case err == nil:
			return
		case notNow(err):
			pause(ctx)
		default:
			r.lost(err, counters)
			cancel()
		}
	}
	r.markAll(counters)
}

// markAll marks counters as unreported again.
func (r *Redis) markAll(counters []counter) {
	for i := range counters {
		c := &counters[i]
		s := r.table.shard(c.hash)
		s.mu.Lock()
		if e := s.find(c.hash, &c.Key); e != nil {
			s.mark(e)
		}
		s.mu.Unlock()
	}
}

// sweep drops the counters that no longer matter.
func (r *Redis) sweep() {
	now, nodes := r.latest.Load()-sweepInterval.Milliseconds(), r.nodes()
	r.table.visit(func(s *shard[tally], e *entry[tally]) {
		t := &e.state
		if t.expires(&e.Key, nodes) <= now && t.pending == 0 && t.busy == nil {
			s.drop(e)
		}
	})
}
