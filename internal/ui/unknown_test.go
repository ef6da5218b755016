package ui

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestUnknownSessionsAreLookedUpFewAtATime for a network that sent many; others don't wait.
func TestUnknownSessionsAreLookedUpFewAtATime(t *testing.T) {
	u, now := newUnknown(), time.Now()
	gone := func() error { return ErrNoSession }
	for range unknownOfNetwork {
		if err := u.lookUp(t.Context(), "a", now, gone); !errors.Is(err, ErrNoSession) {
			t.Fatal(err)
		}
	}
	release, inside := make(chan struct{}), make(chan struct{}, unknownLookups)
	done := make(chan error, unknownLookups)
	for range unknownLookups {
		go func() {
			done <- u.lookUp(t.Context(), "a", now, func() error {
				inside <- struct{}{}
				<-release
				return nil
			})
		}()
	}
	for range unknownLookups {
		<-inside
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.lookUp(ctx, "a", now, gone); !errors.Is(err, context.Canceled) {
		t.Errorf("one more lookup of the network: %v", err)
	}
	if err := u.lookUp(t.Context(), "b", now, gone); !errors.Is(err, ErrNoSession) {
		t.Errorf("a lookup of another network: %v", err)
	}
	if err := u.lookUp(t.Context(), "a", now.Add(time.Minute), gone); !errors.Is(err, ErrNoSession) {
		t.Errorf("a lookup a minute later: %v", err)
	}
	close(release)
	for range unknownLookups {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
