package coherence

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// retryInterval is how often a database that is down is asked again.
const retryInterval = 100 * time.Millisecond

// A Breaker opens when the database doesn't respond to a read. While it is open,
// calls fail at once, so that requests don't wait in vain and the database isn't
// met by all of them when it returns; one call in each retry interval goes
// through to see whether it has. A Breaker is safe for concurrent use.
type Breaker struct {
	unavailable func(error) bool
	log         *slog.Logger

	mu    sync.Mutex
	cause error // nil while the breaker is closed
	since time.Time
	retry time.Time // when the next call can go through
}

// NewBreaker returns a closed breaker. Unavailable reports whether an error, which
// isn't nil, means that the database can't be reached or doesn't respond in time.
func NewBreaker(unavailable func(error) bool, log *slog.Logger) *Breaker {
	return &Breaker{unavailable: unavailable, log: log}
}

// down reports whether a call has failed because the database is down.
func (b *Breaker) down(err error) bool {
	return err != nil && (errors.Is(err, ErrTimeout) || b.unavailable(err))
}

// Do runs f unless the breaker is open. A response closes the breaker; failure
// leaves it alone, since changes can fail for reasons of their own.
func (b *Breaker) Do(f func() error) error {
	if err := b.admit(); err != nil {
		return err
	}
	err := f()
	if !b.down(err) {
		b.Reset()
	}
	return err
}

// Open reports whether the database is known to be down.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause != nil
}

// Reset closes the breaker: the database has responded.
func (b *Breaker) Reset() { b.record(nil) }

// admit returns the error of an open breaker unless it is time to retry.
func (b *Breaker) admit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		return nil
	}
	now := time.Now()
	if now.Before(b.retry) {
		return b.cause
	}
	b.retry = now.Add(retryInterval)
	return nil
}

// record opens or closes the breaker by the error of a read.
func (b *Breaker) record(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.down(err):
		if b.cause != nil {
			b.log.Info("the database responds again", "after", time.Since(b.since))
		}
		b.cause = nil
	case b.cause == nil:
		b.log.Error("the database can't be reached", "error", err)
		b.since = time.Now()
		fallthrough
	default:
		b.cause = fmt.Errorf("the database could not be reached a moment ago: %w", err)
		b.retry = time.Now().Add(retryInterval)
	}
}
