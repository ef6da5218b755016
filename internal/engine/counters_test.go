package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// restart opens another engine on the same rows, as they stand.
func (w *world) restart() *Engine {
	w.t.Helper()
	e, err := Open(w.t.Context(), Config{
		DB: w.db, Vault: w.vault, Now: w.now, Log: w.log, Redis: w.redis,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// keepsCounters skips a test about counters that a node keeps for itself where
// nodes share them.
func (w *world) keepsCounters() {
	w.t.Helper()
	if _, memory := w.limiter.(*ratelimit.Memory); !memory || w.db.Shared() {
		w.t.Skip("nodes share the counters")
	}
}

// memory returns the limiter of a node that keeps its counters.
func (w *world) memory() *ratelimit.Memory { return w.limiter.(*ratelimit.Memory) }

// opened returns another limiter with the counters that are saved.
func (w *world) opened() *ratelimit.Memory {
	w.t.Helper()
	m, err := ratelimit.OpenMemory(w.t.Context(), ratelimit.MemoryConfig{
		Store: counters{w.db}, Keep: true, Now: w.Engine.now, Log: w.log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// frozen returns a limiter as opened does, which saves only when it is told to.
func (w *world) frozen(t interface{ Fatal(...any) }) *ratelimit.Memory {
	ended, end := context.WithCancel(context.Background())
	end()
	m := w.opened()
	_ = m.Close(ended) // ends the background work and can't save
	return m
}

// savedCounters returns how many counters are saved, each as often as it is, and
// the shards of their segments.
func (w *world) savedCounters() (n int, shards []int64) {
	w.t.Helper()
	count := func(ratelimit.Row) { n++ }
	err := counters{w.db}.Saved(w.t.Context(), count, func(s ratelimit.Segment) error {
		shards = append(shards, s.Shard)
		return s.Each(count)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n, shards
}

// count counts on keys of one namespace, past the operations.
func (w *world) count(m *ratelimit.Memory, from, to int) {
	for i := range to - from {
		q := ratelimit.Request{Key: countedKey(from + i), Limit: math.MaxInt64, Cost: 1}
		_, _ = m.TakeOne(context.Background(), w.Engine.now(), q)
	}
}

func countedKey(i int) ratelimit.Key {
	return ratelimit.Key{
		Workspace: "ws_1", Namespace: "rlns_2fTqXJ", Identifier: fmt.Sprintf("user_%d", i),
		Duration: 60_000,
	}
}

func (w *world) wantRemaining(m ratelimit.Limiter, i int, want int64) {
	w.t.Helper()
	d, err := m.TakeOne(w.t.Context(), w.Engine.now(), ratelimit.Request{
		Key: countedKey(i), Limit: 10,
	})
	if err != nil || !d.Passed || d.Remaining != want {
		w.t.Fatalf("counter %d: %+v, %v, want %d remaining", i, d, err, want)
	}
}

func TestARestartLosesNoCounts(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	for i := range chunk + 10 {
		w.limit(w.who, asking(ask("api", fmt.Sprint(i), 9), 4))
	}
	if err := w.memory().Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.limit(w.who, asking(ask("api", "0", 9), 2)) // saved by Close
	if err := w.limiter.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := w.restart()
	for i, want := range map[int]int64{0: 3, 1: 5, chunk + 9: 5} {
		r := asking(ask("api", fmt.Sprint(i), 9), 0)
		if got, err := again.Limit(t.Context(), w.who.calling("ratelimit.limit"), &r); err != nil ||
			got.Remaining != want {
			t.Errorf("identifier %d: %+v, %v, want %d remaining", i, got, err, want)
		}
	}
	if err := again.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClosingAnEngineSavesItsCounters(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	first := w.restart()
	r := asking(ask("api", "u", 9), 4)
	if _, err := first.Limit(t.Context(), w.who.calling("ratelimit.limit"), &r); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := w.restart()
	if got, err := second.Limit(t.Context(), w.who.calling("ratelimit.limit"), &r); err != nil ||
		got.Remaining != 1 {
		t.Errorf("after a restart: %+v, %v, want 1 remaining", got, err)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestInterruptedSaveLosesNoCounts: what the process before has saved
// stays until all of it is saved again.
func TestInterruptedSaveLosesNoCounts(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	const identifiers = 30_000
	first := w.frozen(t)
	w.count(first, 0, identifiers)
	if err := first.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before := w.savedCounters()
	halfway := w.frozen(t)
	w.exec(fmt.Sprintf("CREATE TRIGGER full BEFORE INSERT ON cell_blocks WHEN NEW.part > %d "+
		"BEGIN SELECT RAISE(ABORT, 'disk full'); END",
		slices.Max(before)+1+32))
	if err := halfway.Save(t.Context()); err == nil {
		t.Fatal("the second half was saved")
	}
	if n, _ := w.savedCounters(); n <= identifiers {
		t.Fatalf("%d counters are saved: not those of before and some of them again", n)
	}
	again := w.frozen(t)
	for i := range identifiers {
		w.wantRemaining(again, i, 9)
	}
	w.exec("DROP TRIGGER full")
	if err := halfway.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := w.savedCounters(); n != identifiers {
		t.Errorf("%d counters are saved in the end, want %d", n, identifiers)
	}
}

// oldSegment holds counters as the first release with segments wrote them: of
// ws_1, 7 and 3 in the windows of user_1 and 2^63-1 in that of user_2; of a limit
// of a key, 2 and 1; and of the workspace ws_2, 11 and 12 a minute before.
const oldSegment = "" +
	"0577735f3107726c6e735f3107757365725f31c0a907aad4821bc0bab7fef9620e06000007757365" +
	"725f32000000feffffffffffffffff0100000d6b65792f7265717565737473066b65795f31bed6f8" +
	"ffffffffffff01a9d4821bbec5c881869dffffff0104020577735f320a776f726b73706163650577" +
	"735f32bdd6f8ffffffffffff01a8d4821bfdeecf81869dffffff011618"

// earlierCounters saves counters as earlier releases did: one as a row and four in
// a segment.
func earlierCounters(t *testing.T, db *store.DB) {
	t.Helper()
	data, err := hex.DecodeString(oldSegment)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		err := tx.SaveCell(ctx, write.SaveCellParams{
			WorkspaceID: "ws_1", Namespace: "rlns_1", Identifier: "user_0", Duration: 60_000,
			Sequence: 28_333_333, Current: 4, ExpiresAt: 28_333_335 * 60_000,
		})
		return errors.Join(err, tx.InsertCellBlock(ctx, 3, math.MaxInt64, data))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantEarlierCounters asks a limiter for the counts of earlierCounters, a quarter
// of a minute after their window began.
func wantEarlierCounters(t *testing.T, l ratelimit.Limiter) {
	t.Helper()
	const limit = math.MaxInt64
	for _, c := range []struct {
		workspace, namespace, identifier string
		duration, used                   int64
	}{
		{"ws_1", "rlns_1", "user_0", 60_000, 4},
		{"ws_1", "rlns_1", "user_1", 60_000, 7 + 3*3/4},
		{"ws_1", "rlns_1", "user_2", 60_000, limit},
		{"ws_1", "key/requests", "key_1", math.MaxInt64, 2},
		{"ws_2", "workspace", "ws_2", 60_000, 11 * 3 / 4},
		{"ws_2", "rlns_1", "user_1", 60_000, 0},
	} {
		d, err := l.TakeOne(t.Context(), 28_333_333*60_000+15_000, ratelimit.Request{
			Key: ratelimit.Key{
				Workspace: c.workspace, Namespace: c.namespace, Identifier: c.identifier,
				Duration: c.duration,
			},
			Limit: limit,
		})
		if err != nil || !d.Passed || limit-d.Remaining != c.used {
			t.Errorf("%+v: %+v, %v", c, d, err)
		}
	}
}

// TestCountersOfEarlierReleasesAreLoaded from rows and segments, and again when
// this release has saved them, and after copies to either engine.
func TestCountersOfEarlierReleasesAreLoaded(t *testing.T) {
	from := "sqlite://" + t.TempDir()
	open := func(where string, check func(*store.DB, ratelimit.Limiter)) {
		t.Helper()
		db, err := store.Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		e := &Engine{db: db, time: time.Now}
		l, err := e.openLimiter(t.Context(), Config{
			Limits: Exact, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		check(db, l)
		if err := errors.Join(l.Close(t.Context()), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	earlierCounters(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copyTo := func(to string) {
		t.Helper()
		if _, err := store.Copy(t.Context(), from, to, nil); err != nil {
			t.Fatal(err)
		}
		open(to, func(db *store.DB, l ratelimit.Limiter) { wantEarlierCounters(t, l) })
	}
	copyTo("sqlite://" + t.TempDir())
	for range 2 {
		open(from, func(db *store.DB, l ratelimit.Limiter) {
			wantEarlierCounters(t, l)
			if err := l.(*ratelimit.Memory).Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rows, err := db.Cells(t.Context()); err != nil || len(rows) != 0 {
				t.Errorf("%d rows are left (%v)", len(rows), err)
			}
		})
		copyTo("sqlite://" + t.TempDir())
	}
	copyTo(testenv.Postgres(t))
}

// TestSavedCountersEqualThoseInMemory after whatever happens, restarts among it.
func TestSavedCountersEqualThoseInMemory(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	ended, end := context.WithCancel(t.Context())
	end()
	rapid.Check(t, func(t *rapid.T) {
		m := w.frozen(t)
		used := map[ratelimit.Key]bool{}
		saving := func(t *rapid.T) {
			if err := m.Save(context.Background()); err != nil {
				t.Fatal(err)
			}
			on := w.frozen(t)
			for key := range used {
				for _, at := range []int64{
					w.Engine.now(), w.Engine.now() + key.Duration/3, w.Engine.now() + key.Duration,
				} {
					q := ratelimit.Request{Key: key, Limit: math.MaxInt64}
					want, _ := m.TakeOne(context.Background(), at, q)
					if got, _ := on.TakeOne(context.Background(), at, q); got != want {
						t.Fatalf("%+v at %d: saved %+v, in memory %+v", key, at, got, want)
					}
				}
			}
		}
		steps := map[string]func(*rapid.T){
			"count": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "times") {
					key := ratelimit.Key{
						Workspace: rapid.SampledFrom([]string{"ws_1", "ws_2"}).Draw(t,
							"workspace"),
						Namespace:  rapid.SampledFrom([]string{"", "n"}).Draw(t, "namespace"),
						Identifier: fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "identifier")),
						Duration:   rapid.SampledFrom([]int64{1_000, 60_000}).Draw(t, "duration"),
					}
					used[key] = true
					_, _ = m.TakeOne(context.Background(), w.Engine.now(), ratelimit.Request{
						Key: key, Limit: math.MaxInt64, Cost: 3,
					})
				}
			},
			"save":        saving,
			"failed save": func(*rapid.T) { _ = m.Save(ended) },
			"time": func(t *rapid.T) {
				w.advance(
					time.Duration(rapid.IntRange(1, 120_000).Draw(t, "ms")) * time.Millisecond,
				)
			},
			"drop": func(*rapid.T) { m.Sweep(w.Engine.now() - 60_000) },
			"restart": func(t *rapid.T) {
				_ = m.Save(context.Background())
				m = w.frozen(t)
				saving(t)
			},
		}
		names := rapid.SampledFrom(slices.Sorted(maps.Keys(steps)))
		for _, name := range rapid.SliceOfN(names, 1, 20).Draw(t, "steps") {
			steps[name](t)
		}
		saving(t)
	})
}

// TestExpiredCountersAreDeleted, also where nobody saves them: a node
// that counts on Redis now has those from before.
func TestExpiredCountersAreDeleted(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	for i := range chunk + 10 {
		w.limit(w.who, ask("api", fmt.Sprint(i), 9))
	}
	day := ask("api", "day", 9)
	day.Duration = latchkey.Per(24 * time.Hour)
	w.limit(w.who, day)
	if err := w.memory().Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after       time.Duration
		least, most int
	}{{time.Minute, chunk + 11, 2 * (chunk + 11)}, {time.Minute, 1, 2}} {
		w.advance(step.after)
		w.memory().Sweep(w.Engine.now())
		if err := w.memory().Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _ := w.savedCounters(); n < step.least || n > step.most {
			t.Errorf("%d counters are left, want from %d to %d", n, step.least, step.most)
		}
	}
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{47*time.Hour + 57*time.Minute, true}, {time.Minute, false}} {
		w.advance(step.after)
		if err := (counters{w.db}).DropExpired(t.Context(), w.Engine.now()); err != nil {
			t.Fatal(err)
		}
		if n, _ := w.savedCounters(); (n > 0) != step.want {
			t.Errorf("%v later %d counters are saved", step.after, n)
		}
	}
}
