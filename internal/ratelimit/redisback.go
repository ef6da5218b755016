package ratelimit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// maximum counters in one report, so that it occupies Redis for well under a millisecond
	reportSize    = 100
	reportsAtOnce = 16
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
			if !r.down.Load() {
				r.report(r.ctx, r.unreportedCounters())
			}
		case <-probe.C:
			if r.down.Load() {
				r.probe()
			}
		case <-sweep.C:
			r.sweep()
		}
	}
}

// steady is how long a state must last before the log tells of the next one at once, so
// that counters that come and go don't fill it.
const steady = 10 * time.Second

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

// outage is what is known of the breaker while it is open.
type outage struct {
	counters []counter // of the call that failed, which the probe repeats
	cause    error
	since    time.Time
	told     atomic.Bool // in the log
}

// lost opens the breaker after a failed call.
func (r *Redis) lost(err error, counters []counter) {
	o := &outage{counters: slices.Clone(counters), cause: err, since: time.Now()}
	if r.ctx.Err() == nil && r.down.CompareAndSwap(false, true) {
		r.outage.Store(o)
		if back, _ := r.back.Load().(time.Time); time.Since(back) > steady {
			r.tell(o)
		}
	}
}

func (r *Redis) tell(o *outage) {
	if o.told.CompareAndSwap(false, true) {
		r.cfg.Log.Warn("rate limits: the shared counters are unreachable; "+
			"this node decides with its share", "error", o.cause)
	}
}

// probe closes the breaker if Redis accepts a write and the call that failed, without
// costs, in time. A ping would not do, because servers that can't count respond to it
// too: replicas, and servers without free memory.
func (r *Redis) probe() {
	o := r.outage.Load()
	if o == nil {
		return // lost is about to set it
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.roundTripTimeout)
	defer cancel()
	began := time.Now()
	err := r.write(ctx, o.counters[0].Workspace)
	if err == nil {
		n := len(o.counters)
		_, _, err = r.run(ctx, r.latest.Load(), batch{counters: o.counters},
			&exchange{synced: make([]state, n), owed: make([]state, n)})
	}
	if err != nil || time.Since(began) > r.cfg.roundTripTimeout {
		if time.Since(o.since) > time.Second {
			r.tell(o)
		}
		return
	}
	r.outage.Store(nil)
	r.back.Store(time.Now())
	r.down.Store(false)
	all := r.allCounters()
	if o.told.Load() {
		r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(all))
	}
	r.report(r.ctx, all)
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

// allCounters returns all counters of this node.
func (r *Redis) allCounters() []counter {
	var counters []counter
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		counters = append(counters, counter{Key: e.Key, hash: e.hash})
	})
	return counters
}

// report sends this node's states of the counters to Redis, and syncs them. States
// that can't be sent stay unreported.
func (r *Redis) report(ctx context.Context, counters []counter) {
	slices.SortFunc(counters, func(a, b counter) int {
		return strings.Compare(a.Workspace, b.Workspace)
	})
	var reports sync.WaitGroup
	room := make(chan struct{}, reportsAtOnce)
	for len(counters) > 0 {
		n := 1
		for n < min(len(counters), reportSize) && counters[n].Workspace == counters[0].Workspace {
			n++
		}
		some := counters[:n]
		counters = counters[n:]
		room <- struct{}{}
		reports.Go(func() {
			r.reportSome(ctx, some)
			<-room
		})
	}
	reports.Wait()
}

// reportSome reports counters of one workspace in one call.
func (r *Redis) reportSome(ctx context.Context, counters []counter) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.roundTripTimeout)
	defer cancel()
	for ctx.Err() == nil && !r.down.Load() {
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
