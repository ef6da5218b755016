package events

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a test on every database that the machine has.
func each(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, Config{File: filepath.Join(t.TempDir(), "events.db"), Log: quiet})
	})
	t.Run("postgres", func(t *testing.T) {
		url := testenv.Postgres(t)
		pool, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool.Close() })
		test(t, Config{Pool: pool, Log: quiet})
	})
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// idle opens a log whose background work never runs: the test does it by hand.
func idle(t testing.TB, cfg Config, c *clock) *Log {
	t.Helper()
	cfg.Now, cfg.Node = c.now, fmt.Sprint("node", rand.Uint64())
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.stop()
	l.done.Wait()
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// everyone accepts every subject.
func everyone(*Subject) bool { return true }

type named Subject

func (n *named) Subject() Subject { return Subject(*n) }

// someone returns a random key of a few.
func someone(r *rand.Rand) *named {
	n := &named{
		Workspace: fmt.Sprint("ws_", r.IntN(3)), Space: fmt.Sprint("ks_", r.IntN(2)),
		Key: fmt.Sprint("key_", r.IntN(5)),
	}
	if r.IntN(2) == 0 {
		n.Identity, n.External = "id_1", "user_1"
	}
	return n
}

func verification(r *rand.Rand, at time.Time) *Verification {
	v := &Verification{
		Key: someone(r), At: at.UnixMilli(), Outcome: uint8(r.IntN(len(Outcomes))),
		RequestID: fmt.Sprint("req_", r.Uint32()), Latency: r.Uint32N(5000),
	}
	if v.Outcome == 0 {
		v.Credits = r.Int64N(3)
	}
	var tags []string
	for range r.IntN(3) {
		tags = append(tags, fmt.Sprint("tag=", r.IntN(3)))
	}
	v.Tags = &tags
	return v
}

func limited(r *rand.Rand, at time.Time) *Limit {
	return &Limit{
		Workspace: "ws_1", Namespace: fmt.Sprint("rlns_", r.IntN(3)),
		Identifier: fmt.Sprint("user ", r.IntN(5)), Override: []string{"", "rlor_1"}[r.IntN(2)],
		RequestID: fmt.Sprint("req_", r.Uint32()), At: at.UnixMilli(), Latency: r.Uint32N(100),
		Limit: 10, Remaining: r.Int64N(10), Cost: 1 + r.Int64N(3),
		Reset: at.Add(time.Minute).UnixMilli(), Passed: r.IntN(2) == 0,
	}
}

// row is a row of a block without its dictionaries.
type row struct {
	At      int64
	Subject Subject
	Outcome uint8
	Tags    string
	Request string
}

// sum is what rows of equal row add up to.
type sum struct{ Count, Amount int64 }

// read returns the sums of all rows that a query finds, by a step.
func read(t *testing.T, l *Log, kind Kind, step Step) map[row]sum {
	t.Helper()
	s, err := l.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	parts, err := s.Parts(t.Context(), Query{Kind: kind, Step: step, To: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	sums := map[row]sum{}
	for _, p := range parts {
		b, err := s.Read(t.Context(), p, AllColumns, everyone)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Rows {
			r := row{
				Start(b.Time[i], step), b.Subjects[b.Subject[i]], b.Outcome[i],
				fmt.Sprint(b.TagSets[b.Tags[i]]), b.Request[i],
			}
			if step > Raw {
				r.Request, r.Subject.Override = "", ""
			}
			have := sums[r]
			sums[r] = sum{have.Count + b.Of(i), have.Amount + b.Amount[i]}
		}
	}
	return sums
}

// TestSumsEqualARecount records random events over months, some of them late, merges at random
// moments, and compares every step with a recount.
func TestSumsEqualARecount(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		c := &clock{time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC)}
		l := idle(t, cfg, c)
		want := [steps]map[row]sum{{}, {}, {}, {}}
		for range 60 {
			for range r.IntN(50) {
				v := verification(r, c.at.Add(-time.Duration(r.Int64N(int64(3*hour)))))
				l.Verify(r.Uint32(), v)
				for step := range steps {
					key := row{
						Start(v.At, step), v.Key.Subject(), v.Outcome, fmt.Sprint(*v.Tags),
						v.RequestID,
					}
					if step > Raw {
						key.Request = ""
					}
					have := want[step][key]
					want[step][key] = sum{have.Count + 1, have.Amount + v.Credits}
				}
			}
			if err := l.write(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.at = c.at.Add(time.Duration(r.Int64N(int64(8 * hour))))
			if r.IntN(2) == 0 {
				if err := l.mergeAll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for step := range steps {
			if diff := cmp.Diff(want[step], read(t, l, Verifications, step)); diff != "" {
				t.Errorf("step %d: -want +got\n%s", step, diff)
			}
		}
	})
}

func TestLimitsAreKeptWhole(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		r := rand.New(rand.NewPCG(1, 2))
		c := &clock{time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
		l := idle(t, cfg, c)
		var want []Limit
		for range 100 {
			d := limited(r, c.at)
			want = append(want, *d)
			l.Limited(7, d)
		}
		if err := l.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.at = c.at.Add(2 * time.Minute)
		if err := l.mergeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []Limit
		s, err := l.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		parts, err := s.Parts(t.Context(), Query{Kind: Limits, To: 1 << 60})
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		b, err := s.Read(t.Context(), parts[0], AllColumns, everyone)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Rows {
			subject := b.Subjects[b.Subject[i]]
			got = append(got, Limit{
				subject.Workspace, subject.Space, subject.Key, subject.Override, b.Request[i],
				b.Time[i], uint32(b.Latency[i]), b.Limit[i], b.Left[i], b.Amount[i], b.Reset[i],
				b.Outcome[i] == passed,
			})
		}
		byRequest := func(a, b Limit) int { return cmpText(a.RequestID, b.RequestID) }
		slices.SortFunc(want, byRequest)
		slices.SortFunc(got, byRequest)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func cmpText(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// TestDropsAreCountedAndStored: the events that find no room are dropped, and a row says how
// many, so that the number of stored and dropped ones is that of all.
func TestDropsAreCountedAndStored(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c := &clock{time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
		l := idle(t, cfg, c)
		key := &named{Workspace: "ws", Key: "key"}
		const room = stripeChunks * chunkSize
		const all = room + 100
		for range all {
			l.Verify(3, &Verification{Key: key, At: c.at.UnixMilli()})
		}
		if err := l.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		stored := int64(0)
		for _, s := range read(t, l, Verifications, Raw) {
			stored += s.Count
		}
		s, err := l.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		at := c.at.UnixMilli()
		dropped, err := s.Dropped(t.Context(), Verifications, at-1, at+1)
		if err != nil || stored != room || stored+dropped != all {
			t.Errorf("%d stored, %d dropped, %v", stored, dropped, err)
		}
		if n, err := s.Dropped(t.Context(), Limits, 0, at+1); n != 0 || err != nil {
			t.Errorf("%d limits dropped, %v", n, err)
		}
	})
}

func TestEventsAreDeletedByAgeAndBytes(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
		cfg.MaxBytes = 1
		l := idle(t, cfg, c)
		l.maxBytes = 1 << 40
		r := rand.New(rand.NewPCG(3, 4))
		record := func() {
			l.Verify(0, verification(r, c.at))
			l.Limited(0, limited(r, c.at))
			if err := l.write(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, wait := range waits[Raw] {
				c.at = c.at.Add(2 * wait)
				if err := l.mergeAll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func(kind Kind, step Step) (n int64) {
			if err := l.deleteOld(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, s := range read(t, l, kind, step) {
				n += s.Count
			}
			return n
		}
		record()
		c.at = c.at.Add(60 * day)
		record()
		for _, want := range []struct {
			kind   Kind
			step   Step
			events int64
		}{{Verifications, Raw, 2}, {Limits, Raw, 1}, {Limits, Hour, 1}} {
			if n := count(want.kind, want.step); n != want.events {
				t.Errorf("kind %d, step %d: %d events, want %d", want.kind, want.step, n, want.events)
			}
		}
		l.maxBytes = 1
		if n := count(Verifications, Raw); n != 0 {
			t.Errorf("%d events are kept beyond the bound", n)
		}
		if n := count(Verifications, Hour); n != 2 {
			t.Errorf("sums have %d events, want 2", n)
		}
	})
}

// TestTheFileCanBeDeleted deletes the file under a running log, and puts garbage in its place
// before the next start.
func TestTheFileCanBeDeleted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.db")
	c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	r := rand.New(rand.NewPCG(5, 6))
	record := func(l *Log) {
		t.Helper()
		l.Verify(0, verification(r, c.at))
		if err := l.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(read(t, l, Verifications, Raw)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	}
	l := idle(t, Config{File: file, Log: quiet}, c)
	record(l)
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + end); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	record(l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("this is no database, but a text"), 0o600); err != nil {
		t.Fatal(err)
	}
	l = idle(t, Config{File: file, Log: quiet}, c)
	record(l)
	if _, err := os.Stat(file + ".damaged"); err != nil {
		t.Error(err)
	}
}

// TestFlushMakesEventsReadable, and Close stores what is left.
func TestFlushMakesEventsReadable(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		cfg.Node = "one"
		l, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(7, 8))
		l.Verify(1, verification(r, time.Now()))
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(read(t, l, Verifications, Raw)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		l.Verify(1, verification(r, time.Now()))
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		cfg.Node = "two"
		l, err = Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(read(t, l, Verifications, Raw)); n != 2 {
			t.Errorf("after a restart %d events, want 2", n)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestBlocksWaitForTheDatabase: what can't be stored waits, and the oldest is dropped and
// counted when too much waits.
func TestBlocksWaitForTheDatabase(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	l := idle(t, Config{File: filepath.Join(dir, "no folder", "events.db"), Log: quiet}, c)
	r := rand.New(rand.NewPCG(9, 10))
	for range 3 {
		l.Verify(0, verification(r, c.at))
		if err := l.write(t.Context()); err == nil {
			t.Fatal("stored in a folder that doesn't exist")
		}
	}
	l.pending.bytes += maxPending // as if they were large
	l.collect()
	l.pending.bytes -= maxPending
	if got := l.dropped.count[Verifications]; got != 3 || len(l.pending.blocks) != 0 {
		t.Errorf("%d dropped, %d blocks wait", got, len(l.pending.blocks))
	}
	l.pending.bytes = 0
	l.Verify(0, verification(r, c.at))
	if err := os.Mkdir(filepath.Join(dir, "no folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, l, Verifications, Raw)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// TestLongTagsAreReadAgain: blocks end, and merges too, before their texts are more than can
// be read.
func TestLongTagsAreReadAgain(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	l := idle(t, Config{File: filepath.Join(t.TempDir(), "events.db"), Log: quiet}, c)
	key := &named{Workspace: "ws", Key: "key"}
	const events, length = 1800, 40_000
	if events*length <= maxColumn {
		t.Fatal("the tags fit in a block")
	}
	long := strings.Repeat("x", length-10)
	for i := range events {
		tags := []string{fmt.Sprintf("%010d", i) + long}
		l.Verify(uint32(i), &Verification{Key: key, At: c.at.UnixMilli(), Tags: &tags})
		if i%900 == 899 {
			if err := l.write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		c.at = c.at.Add(2 * hour)
		if err := l.mergeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		for step := range steps {
			n := int64(0)
			for _, s := range read(t, l, Verifications, step) {
				n += s.Count
			}
			if n != events {
				t.Errorf("step %d: %d events, want %d", step, n, events)
			}
		}
	}
}

// TestTagsInMemoryAreBounded: events beyond the bound in bytes are dropped.
func TestTagsInMemoryAreBounded(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	l := idle(t, Config{File: filepath.Join(t.TempDir(), "events.db"), Log: quiet}, c)
	key := &named{Workspace: "ws", Key: "key"}
	tags := []string{strings.Repeat("x", 10_000)}
	for range 300 {
		l.Verify(1, &Verification{Key: key, At: c.at.UnixMilli(), Tags: &tags})
	}
	if n := l.verifications.dropped.Load(); n != 300-stripeBytes/10_000 {
		t.Errorf("%d of 300 events are dropped", n)
	}
}

// TestUnknownCommitsCountOnce: blocks and drops that were stored although nobody knows it are
// written again, and count once, also if there was time to merge them.
func TestUnknownCommitsCountOnce(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c := &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
		l := idle(t, cfg, c)
		key := &named{Workspace: "ws", Key: "key"}
		const room, lost = stripeChunks * chunkSize, 5
		for range room + lost {
			l.Verify(3, &Verification{Key: key, At: c.at.UnixMilli()})
		}
		l.collect()
		blocks, dropped := l.pending.blocks, l.dropped
		dropped.sequence = l.sequence.Load() + 1
		if err := l.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.pending.blocks, l.dropped = blocks, dropped // as if the answer was lost
		l.unsure.Store(blocks[0].sequence)
		for range 2 {
			c.at = c.at.Add(2 * time.Minute)
			if err := l.mergeAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := l.write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n := int64(0)
		for _, s := range read(t, l, Verifications, Raw) {
			n += s.Count
		}
		s, err := l.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		noted, err := s.Dropped(t.Context(), Verifications, 0, c.at.UnixMilli())
		if n != room || noted != lost || err != nil {
			t.Errorf("%d events and %d drops, %v; want %d and %d", n, noted, err, room, lost)
		}
	})
}
