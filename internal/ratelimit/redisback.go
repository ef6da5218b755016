package ratelimit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// counters that one call reports, so that it occupies Redis for well under a millisecond
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
				r.report(r.ctx, r.owing())
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

// lost opens the breaker because a call for a workspace has failed. The probe
// writes beside the counters of that workspace: in a cluster, where they are.
func (r *Redis) lost(err error, workspace string) {
	if r.ctx.Err() == nil && r.down.CompareAndSwap(false, true) {
		r.probed.Store(string(tag(workspace)))
		r.cfg.Log.Warn("rate limits: the shared counters are out of reach; "+
			"this node decides with its share", "error", err)
	}
}

// probe closes the breaker if Redis takes a write in time. It does not ping,
// because servers that can't count answer a ping too: replicas, and those that
// have no memory left.
func (r *Redis) probe() {
	key, _ := r.probed.Load().(string)
	if key == "" {
		return // lost is about to tell
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
	all := r.known()
	r.cfg.Log.Info("rate limits: the shared counters are back", "reported", len(all))
	r.report(r.ctx, all)
}

// owing returns the counters on which there is something to report.
func (r *Redis) owing() []counter {
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

// known returns all counters that this node knows something of.
func (r *Redis) known() []counter {
	var counters []counter
	r.table.visit(func(_ *shard[tally], e *entry[tally]) {
		counters = append(counters, counter{Key: e.Key, hash: e.hash})
	})
	return counters
}

// report tells Redis what this node knows of the counters, and hears the counts.
// What can't be told stays to be reported.
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
			r.tell(ctx, some)
			<-room
		})
	}
	reports.Wait()
}

// tell reports counters of one workspace in one call.
func (r *Redis) tell(ctx context.Context, counters []counter) {
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

// markAll puts counters back on the list of those that have something to report.
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

// sweep forgets the counters that no longer matter.
func (r *Redis) sweep() {
	now, nodes := r.latest.Load()-sweepInterval.Milliseconds(), r.nodes()
	r.table.visit(func(s *shard[tally], e *entry[tally]) {
		t := &e.state
		if t.expires(&e.Key, nodes) <= now && t.asked == 0 && t.busy == nil {
			s.drop(e)
		}
	})
}
