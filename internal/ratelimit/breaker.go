package ratelimit

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// steady is how long all breakers must have been closed before the log tells at once that
// one opens, so that counters that come and go don't fill it.
const steady = 10 * time.Second

// breakers tell which counters can't be reached at the moment. There is one for all, or,
// as the servers of a cluster fail one by one, one for each workspace: its counters are
// on one server.
type breakers struct {
	each bool         // one for each workspace
	n    atomic.Int64 // how many are open

	mu     sync.Mutex
	open   map[string]*outage // by workspace, or of "" alone
	closed time.Time          // when the last open one was closed
	told   bool               // the log says that one is open
}

// outage is what is known of an open breaker.
type outage struct {
	name     string
	counters []counter // of the call that failed, which the probe repeats
	cause    error
	since    time.Time
}

func (b *breakers) name(workspace string) string {
	if b.each {
		return workspace
	}
	return ""
}

// isOpen reports whether the counters of a workspace can't be reached.
func (b *breakers) isOpen(workspace string) bool {
	if b.n.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[b.name(workspace)] != nil
}

// allOpen reports whether no counter can be reached. Of the servers of a cluster nobody
// knows.
func (b *breakers) allOpen() bool { return !b.each && b.n.Load() > 0 }

// lose opens the breaker of counters of one workspace after a failed call. It reports
// whether the log should tell.
func (b *breakers) lose(err error, counters []counter) (tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := b.name(counters[0].Workspace)
	if b.open[name] != nil {
		return false
	}
	if b.open == nil {
		b.open = make(map[string]*outage)
	}
	b.open[name] = &outage{name, slices.Clone(counters), err, time.Now()}
	b.n.Store(int64(len(b.open)))
	return time.Since(b.closed) > steady && b.firstTold()
}

// lasts reports whether the log should tell of an outage that isn't new any more.
func (b *breakers) lasts(o *outage) (tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(o.since) > time.Second && b.firstTold()
}

func (b *breakers) firstTold() bool {
	first := !b.told
	b.told = true
	return first
}

// regain closes the breakers of outages. It reports whether the log should tell that
// none is open any more.
func (b *breakers) regain(over []*outage) (tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range over {
		delete(b.open, o.name)
	}
	b.n.Store(int64(len(b.open)))
	if len(b.open) > 0 {
		return false
	}
	tell, b.told, b.closed = b.told, false, time.Now()
	return tell
}

// outages returns up to n open ones, chosen at random.
func (b *breakers) outages(n int) []*outage {
	b.mu.Lock()
	defer b.mu.Unlock()
	some := make([]*outage, 0, min(n, len(b.open)))
	for _, o := range b.open {
		if len(some) == n {
			break
		}
		some = append(some, o)
	}
	return some
}
