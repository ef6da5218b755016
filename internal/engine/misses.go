package engine

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// The limits on misses: lookups of keys and root keys that don't exist. They apply
// to each address and to each root key.
const (
	missInterval = 10 * time.Millisecond // the mean time between misses that cause no delay
	missBurst    = 2 * time.Second       // the intervals that can be used at once
	longestDelay = time.Second           // of the response to a miss

	// missLookups is the number of concurrent lookups for callers with too many
	// misses. It leaves most connections of the database to all others.
	missLookups = 4
	// missDelays is the number of concurrent delayed responses. More misses are
	// responded to at once, so that they can't hold many connections.
	missDelays = 256
	// lookupTimeout bounds the wait for one of the missLookups.
	lookupTimeout = time.Second
)

// misses slows down callers that present many keys or root keys that don't exist.
// A miss costs a read of the database, so without a limit one caller with made-up
// keys could slow down all others.
//
// It never rejects a key because of earlier misses. Cached keys don't come here. All
// others are looked up, one of few at a time if the caller has had too many misses,
// and only the response to another miss is delayed.
type misses struct {
	began time.Time
	seed  maphash.Seed
	// buckets are, by the hash of an address or of a root key, the time since began
	// at which all misses are paid for. Several can share a bucket. That is harmless,
	// because a bucket only delays.
	buckets [1 << 12]atomic.Int64
	lookups chan struct{} // the lookups of callers with too many misses
	delays  chan struct{} // the delayed responses
	delayed atomic.Uint64
}

func newMisses() *misses {
	return &misses{
		began: time.Now(), seed: maphash.MakeSeed(),
		lookups: make(chan struct{}, missLookups), delays: make(chan struct{}, missDelays),
	}
}

// lookUp runs a lookup, which reports whether it found something. If it did not,
// the miss is counted for the caller's address and root key, and lookUp returns
// after the delay that they have earned.
func (m *misses) lookUp(
	ctx context.Context, who *Caller, look func() (found bool, err error),
) error {
	buckets := m.bucketsOf(who)
	leave, err := m.enter(ctx, buckets)
	if err != nil {
		return err
	}
	found, err := look()
	leave()
	if found || err != nil {
		return err
	}
	m.wait(ctx, m.add(buckets))
	return nil
}

// bucketsOf returns the buckets of a caller's address and root key; nil for none.
// A caller in this process has no address.
func (m *misses) bucketsOf(who *Caller) (buckets [2]*atomic.Int64) {
	if who.RemoteIP != "" {
		buckets[0] = m.bucket("address " + network(who.RemoteIP))
	}
	if who.root != nil && who.root.id != "" {
		buckets[1] = m.bucket("root key " + who.root.id)
	}
	return buckets
}

func (m *misses) bucket(name string) *atomic.Int64 {
	return &m.buckets[maphash.String(m.seed, name)%uint64(len(m.buckets))]
}

// network returns an IPv4 address as it is, and of an IPv6 address its network:
// a customer of a provider has a /64 at least.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Is4() {
		return address
	}
	const ours = 64
	prefix, err := addr.Prefix(ours)
	if err != nil {
		return address
	}
	return prefix.String()
}

// enter waits for a place if one of the buckets is overdrawn. The returned function
// leaves the place.
func (m *misses) enter(ctx context.Context, buckets [2]*atomic.Int64) (leave func(), err error) {
	now := time.Since(m.began)
	for _, b := range buckets {
		if b == nil || overdraft(b.Load(), now) <= 0 {
			continue
		}
		timeout := time.NewTimer(lookupTimeout)
		defer timeout.Stop()
		select {
		case m.lookups <- struct{}{}:
			return func() { <-m.lookups }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timeout.C:
			return nil, tooManyMisses()
		}
	}
	return func() {}, nil
}

// overdraft returns by how much the misses exceed the burst.
func overdraft(paid int64, now time.Duration) time.Duration {
	return time.Duration(paid) - now - missBurst
}

// add counts a miss in the buckets and returns the delay of its response.
func (m *misses) add(buckets [2]*atomic.Int64) (delay time.Duration) {
	now := time.Since(m.began)
	for _, b := range buckets {
		if b == nil {
			continue
		}
		for {
			paid := b.Load()
			next := max(paid, int64(now)) + int64(missInterval)
			next = min(next, int64(now+missBurst+longestDelay)) // a caller recovers within seconds
			if b.CompareAndSwap(paid, next) {
				delay = max(delay, overdraft(next, now))
				break
			}
		}
	}
	return delay
}

// wait waits for the delay, unless the caller is gone or too many wait.
func (m *misses) wait(ctx context.Context, delay time.Duration) {
	if delay <= 0 {
		return
	}
	select {
	case m.delays <- struct{}{}:
	default:
		return
	}
	defer func() { <-m.delays }()
	m.delayed.Add(1)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tooManyMisses is the error of a lookup that found no place in time. It doesn't
// say that the key does not exist.
func tooManyMisses() *latchkey.Error {
	e := errTooManyRequests.with("Too many keys that don't exist are being looked up for this " +
		"address or root key. Send the request again later.")
	e.RetryAfter = time.Second
	return e
}
