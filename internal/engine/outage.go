package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// pause is how often a database that is gone is asked again.
const pause = 100 * time.Millisecond

// outage remembers that the database is gone. Meanwhile what would ask it fails
// at once, so that requests don't wait in vain and the database isn't met by all
// of them when it returns; one of them in each pause goes through to see whether
// it has.
type outage struct {
	log *slog.Logger

	mu    sync.Mutex
	cause error // nil while the database answers
	began time.Time
	next  time.Time // when the next one may try
}

// admit refuses unless the database answers or it is time to try.
func (o *outage) admit() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cause == nil {
		return nil
	}
	now := time.Now()
	if now.Before(o.next) {
		return o.cause
	}
	o.next = now.Add(pause)
	return nil
}

// try does what asks the database, unless that is in vain. That it answers is
// taken in; that it doesn't isn't, since what changes something can fail for
// reasons of its own. What is done begins no outage, but ends one.
func (o *outage) try(do func() error) error {
	if err := o.admit(); err != nil {
		return err
	}
	err := do()
	if !unavailable(err) {
		o.learn(nil)
	}
	return err
}

// gone reports whether the database is known to be gone.
func (o *outage) gone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause != nil
}

// learn takes in how a read has ended.
func (o *outage) learn(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !unavailable(err):
		if o.cause != nil {
			o.log.Info("the database answers again", "after", time.Since(o.began))
		}
		o.cause = nil
	case o.cause == nil:
		o.log.Error("the database can't be reached", "error", err)
		o.began = time.Now()
		fallthrough
	default:
		o.cause = fmt.Errorf("the database could not be reached a moment ago: %w", err)
		o.next = time.Now().Add(pause)
	}
}

// unavailable reports whether an error says that the database can't be reached
// or doesn't answer in time.
func unavailable(err error) bool {
	return err != nil && (errors.Is(err, errSlow) || store.IsUnavailable(err))
}
