package server

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	// onceMost is how many requests a gate remembers.
	onceMost = 8192
	// onceAge is how long it remembers one. Proxies ask again within one request.
	onceAge = time.Minute
)

// onceTable remembers what was charged for a request of a proxy that asks several times
// about one request, as nginx does for each internal redirect.
type onceTable struct {
	mu    sync.Mutex
	known map[onceRef]*onceEntry
	order [onceMost]onceRef // the keys of known, in a ring
	next  int               // the place in the ring that is used next
}

// onceRef identifies a request and its key.
type onceRef [sha256.Size]byte

// onceEntry is a question. The verdict is set before done is closed.
type onceEntry struct {
	place   int // in the ring
	asked   time.Time
	done    chan struct{}
	verdict *verdict
}

func newOnceTable() *onceTable { return &onceTable{known: map[onceRef]*onceEntry{}} }

// do returns the verdict about a key for the request with that id. It judges only if nothing
// was charged for the request yet.
func (t *onceTable) do(id, key string, judge func() *verdict) *verdict {
	sum := sha256.Sum256([]byte(key))
	ref := onceRef(sha256.Sum256(append(sum[:], id...)))
	entry, first := t.enter(ref)
	if !first {
		<-entry.done // every verification ends in time
		return entry.verdict
	}
	entry.verdict = failedVerdict(errors.New("the verification of the key panicked"))
	defer func() {
		if !entry.verdict.charged {
			t.forget(ref, entry)
		}
		close(entry.done)
	}()
	entry.verdict = judge()
	return entry.verdict
}

// enter returns the entry of a request, and whether the caller is the first to ask.
func (t *onceTable) enter(ref onceRef) (entry *onceEntry, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if known := t.known[ref]; known != nil && now.Sub(known.asked) < onceAge {
		return known, false
	}
	if oldest := t.order[t.next]; t.known[oldest] != nil && t.known[oldest].place == t.next {
		delete(t.known, oldest)
	}
	entry = &onceEntry{place: t.next, asked: now, done: make(chan struct{})}
	t.order[t.next], t.known[ref] = ref, entry
	t.next = (t.next + 1) % onceMost
	return entry, true
}

// forget removes an entry, so that the next question is a first one.
func (t *onceTable) forget(ref onceRef, entry *onceEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[ref] == entry {
		delete(t.known, ref)
	}
}
