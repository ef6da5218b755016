package events

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Each is each, for tests of packages that read events.
var Each = each

// Merging returns a log whose blocks are merged only by its function.
func Merging(t testing.TB, cfg Config, now func() time.Time) (*Log, func() error) {
	t.Helper()
	l := idle(t, cfg, &clock{now()})
	l.now = now
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { l.flushUntil(ctx) })
	t.Cleanup(func() {
		stop()
		done.Wait()
	})
	return l, func() error { return l.mergeAll(context.Background()) }
}
