package ratelimit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
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

// lost opens the breaker after a failed call for a workspace. The probe writes a key
// with the hash tag of that workspace, so in a cluster it probes the same server.
func (r *Redis) lost(err error, workspace string) {
	if r.ctx.Err() == nil && r.down.CompareAndSwap(false, true) {
		r.probed.Store(string(tag(workspace)))
		r.cfg.Log.Warn("rate limits: the shared counters are unreachable; "+
			"this node decides with its share", "error", err)
	}
}

// probe closes the breaker if Redis accepts a write in time. A ping would not do,
// because servers that can't count respond to it too: replicas, and servers without
// free memory.
func (r *Redis) probe() {
	key, _ := r.probed.Load().(string)
	if key == "" {
		return // lost is about to set it
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.roundTripTimeout)
	defer cancel()
	began := time.Now()
	err := r.client.Do(ctx,
		r.client.B().Set().Key(key).Value("").PxMilliseconds(1000).Build()).Error()
	if err != nil || time.Since(began) > r.cfg.roundTripTimeout {
		return
	}
	r.down.Store(false)
	all := r.allCounters()
	r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(all))
	r.report(r.ctx, all)
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
		default:
			r.lost(err, counters[0].Workspace)
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
