package engine

import (
	"context"
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
// Earlier misses never make a key that exists NOT_FOUND. Cached keys don't come here. All
// others are looked up, one of few at a time if the caller has had too many misses, and
// only the response to another miss is delayed. A lookup that finds no place in time ends
// with an error that says so.
type misses struct {
	pace    *pace         // of addresses and root keys
	lookups chan struct{} // the lookups of callers with too many misses
	delays  chan struct{} // the delayed responses
	delayed atomic.Uint64
}

func newMisses() *misses {
	const buckets = 1 << 12
	return &misses{
		pace:    newPace(buckets, missInterval, missBurst),
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

// count counts a miss of a caller, and returns after the delay.
func (m *misses) count(ctx context.Context, who *Caller) {
	m.wait(ctx, m.add(m.bucketsOf(who)))
}

// bucketsOf returns the buckets of a caller's address and root key; nil for none.
// A caller in this process has no address.
func (m *misses) bucketsOf(who *Caller) (buckets [2]*atomic.Int64) {
	if who.RemoteIP != "" {
		buckets[0] = m.pace.bucket("address " + network(who.RemoteIP))
	}
	if who.root != nil && who.root.id != "" {
		buckets[1] = m.pace.bucket("root key " + who.root.id)
	}
	return buckets
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
	for _, b := range buckets {
		if b == nil || m.pace.excess(b) <= 0 {
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

// add counts a miss in the buckets and returns the delay of its response.
func (m *misses) add(buckets [2]*atomic.Int64) (delay time.Duration) {
	for _, b := range buckets {
		if b != nil {
			delay = max(delay, m.pace.add(b, longestDelay)) // so a caller recovers within seconds
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
