package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// A primary that was promoted later replaces the one before, also after a restart of the
// node.
func TestAFenceAdmitsOnlyTheLastPrimary(t *testing.T) {
	folder := t.TempDir()
	fences := func() *fence {
		f, err := openFence(folder, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := fences()
	for i, step := range []struct {
		server  string
		restart bool
		want    error
	}{
		{server: "7 00000001 1.5"},
		{server: "7 00000001 2.5"},
		{server: "8 00000001 1.5", want: errOtherData},
		{server: "7 0000000A 1.5"},
		{server: "7 00000009 1.5", want: errOldPrimary},
		{server: "7 00000009 1.5", want: errOldPrimary, restart: true},
		{server: "standby", want: errStandby},
		{server: "7 0000000A 1.5"},
		{server: "8 00000001 1.5", restart: true}, // the data was moved
		{server: "7 0000000B 1.5", want: errOtherData},
		{server: ""},
	} {
		if step.restart {
			f = fences()
		}
		s, err := serverOf(step.server)
		if err == nil {
			err = f.admit(s)
		}
		if !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("step %d: %q: %v, want %v", i, step.server, err, step.want)
		}
		if err != nil && !IsUnavailable(err) {
			t.Errorf("step %d: %v can't be retried", i, err)
		}
	}
}

// pair is a primary and its asynchronous standby, and the URL that names both.
type pair struct{ primary, standby *testenv.Server }

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{primary: testenv.StartPostgres(t)}
	p.standby = p.primary.Standby(p.primary.Addr)
	return p
}

func (p pair) url() string {
	return strings.Replace(p.primary.URL, p.primary.Addr, p.primary.Addr+","+p.standby.Addr, 1)
}

// Both primaries say that they accept changes, and the old one is the first host.
func TestANodeNeverUsesAPrimaryThatWasReplaced(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	folder := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := func() *DB {
		db, err := OpenWith(ctx, p.url(), Options{Folder: folder})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := start()
	heard := follow(t, db)
	if err := db.Update(ctx, put("a", "1")); err != nil {
		t.Fatal(err)
	}
	p.primary.Freeze()
	p.standby.Promote()
	began := time.Now()
	if h := next(t, heard); !h.All {
		t.Errorf("after the failover: %+v", h)
	}
	for _, err := db.DataKey(ctx, "n"); IsUnavailable(err); _, err = db.DataKey(ctx, "n") {
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to find the host that serves", took)
	}
	p.primary.Thaw()
	for i := range 50 {
		name := fmt.Sprint("after ", i)
		if err := db.Update(ctx, put(name, "1")); err != nil {
			t.Errorf("change %d: %v", i, err)
		} else if !has(t, db, name) {
			t.Fatalf("change %d was not read", i)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !has(t, start(), "after 1") {
		t.Error("a node that starts later uses the old primary")
	}
}
