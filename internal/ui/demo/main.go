// Command demo fills a data folder with what a service looks like after a day of use, so
// that the dashboard has something to show: APIs, keys, identities, roles, limits, root
// keys, and the verifications of 24 hours.
//
//	go run ./internal/ui/demo DATA
//	latchkey serve --data DATA
//
// The same names and numbers come out each time, the times count back from now. The browser
// tests use it too.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// The times of the demo, before now.
const (
	age     = 40 * 24 * time.Hour // of what there is
	traffic = 24 * time.Hour      // of verifications
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: demo DATA")
	}
	if err := fill(context.Background(), os.Args[1], time.Now()); err != nil {
		log.Fatal(err)
	}
}

// fill fills a folder that doesn't exist or is empty.
func fill(ctx context.Context, data string, now time.Time) error {
	if files, err := os.ReadDir(data); err == nil && len(files) > 0 {
		return fmt.Errorf("%s isn't empty", data)
	}
	d := &demo{now: now}
	d.at(now.Add(-age))
	service, err := embedded.Open(ctx, embedded.Config{
		Data: data, Now: func() time.Time { return time.UnixMilli(d.clock.Load()) },
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	d.Client = service.Client
	err = d.run(ctx)
	if closing := service.Close(ctx); err == nil {
		err = closing
	}
	return err
}

// demo is a service whose clock is set by hand.
type demo struct {
	*latchkey.Client
	now   time.Time    // the end of the story
	clock atomic.Int64 // unix ms
	users []user
}

// user is a key, and how its owner uses it.
type user struct {
	key    string
	perDay int
	tags   []string
	asks   latchkey.PermissionQuery
}

// at sets the clock.
func (d *demo) at(t time.Time) { d.clock.Store(t.UnixMilli()) }

func (d *demo) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.roles, d.identities, d.keys, d.limits, d.rootKeys, d.portal, d.use,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
