package ratelimit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// wantSaved saves a Memory on a disk that has nothing, and compares what is there.
func wantSaved(t *testing.T, m *Memory, d *disk, want ...saved) {
	t.Helper()
	clear(d.segments)
	if !save(m) {
		t.Fatal("saving failed")
	}
	got := d.list()
	slices.SortFunc(got, func(a, b saved) int {
		return strings.Compare(a.Identifier, b.Identifier)
	})
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(saved{}, state{})); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

func TestEachChangeIsSavedOnce(t *testing.T) {
	m, d := newSaved()
	wantSaved(t, m, d)
	take(m, 3_000, ask("a", 10, 2))
	take(m, 3_000, ask("b", 10, 3), ask("b", 10, 4))
	wantSaved(t, m, d, saved{keyOf("a"), state{3, 2, 0}}, saved{keyOf("b"), state{3, 7, 0}})
	wantSaved(t, m, d)

	take(m, 3_000, ask("a", 10, 0))
	take(m, 3_000, ask("a", 10, 9))
	wantSaved(t, m, d)

	take(m, 4_500, ask("b", 10, 1))
	wantSaved(t, m, d, saved{keyOf("b"), state{4, 1, 7}})
}

func TestAFailedSaveIsRetriedWithCurrentCounts(t *testing.T) {
	m, d := newSaved()
	take(m, 0, ask("a", 10, 1))
	take(m, 0, ask("b", 10, 1))
	for range 2 {
		d.failures = 1
		if save(m) {
			t.Fatal("it was saved")
		}
	}
	take(m, 0, ask("b", 10, 1))
	wantSaved(t, m, d, saved{keyOf("a"), state{0, 1, 0}}, saved{keyOf("b"), state{0, 2, 0}})
	wantSaved(t, m, d)

	take(m, 0, ask("b", 10, 1))
	d.failures = 1
	save(m)
	m.Sweep(2_000)
	wantSaved(t, m, d)
}

// What is saved of a shard is at most twice what the shard has, however often its
// counters change, and nothing once they have expired.
func TestSavedSegmentsAreBounded(t *testing.T) {
	const identifiers, rounds = 20 * shardCount, 50
	m, d := newSaved()
	for round := range rounds {
		for i := range identifiers {
			if i%4 == round%4 {
				take(m, 0, ask(fmt.Sprint(i), rounds, 1))
			}
		}
		save(m)
		if n, most := len(d.list()), 2*live(m); n > most {
			t.Fatalf("round %d: %d counters are saved of %d", round, n, most/2)
		}
	}
	if most := 2 * identifiers * rounds / 4; d.wrote > most {
		t.Errorf("%d counters were written, want at most %d", d.wrote, most)
	}
	m.Sweep(2_000)
	if save(m); len(d.list()) != 0 {
		t.Errorf("%d counters are saved, want none", len(d.list()))
	}
}

// Nobody knows what is saved of a shard that could not be saved, so it is replaced.
func TestAShardIsSavedInFullAfterAFailedSave(t *testing.T) {
	m, d := newSaved()
	for turn := range 6 {
		take(m, 0, ask("a", 10, 1))
		if turn >= 2 {
			d.failures, d.reached = 1, turn%2 == 0
			save(m)
		}
		if save(m); len(d.list()) > 2 {
			t.Fatalf("turn %d: %d counters are saved of one", turn, len(d.list()))
		}
	}
	m = d.restart()
	wantSaved(t, m, d, saved{keyOf("a"), state{0, 6, 0}})
}

// A Memory that was loaded saves everything again, in shards that no other has.
func TestLoadedCountersAreSavedAgain(t *testing.T) {
	m, d := newSaved()
	for i := range 100 {
		take(m, 0, ask(fmt.Sprint(i), 10, 1))
	}
	save(m)
	for range 3 {
		m = d.restart()
		save(m)
		if n := len(d.list()); n != 100 {
			t.Fatalf("%d counters are saved, want 100", n)
		}
		for shard := range d.segments {
			if shard < m.saver.first || shard >= m.saver.first+shardCount {
				t.Errorf("shard %d, want one from %d on", shard, m.saver.first)
			}
		}
	}
}

// A process that dies after it has saved some of what it loaded leaves the rest as
// the one before it had saved it.
func TestAKillDuringASaveLosesNoSavedCounts(t *testing.T) {
	first, d := newSaved()
	const identifiers = 3 * transactionRows
	count := func(m *Memory) {
		for i := range identifiers {
			take(m, 0, ask(fmt.Sprint(i), 10, 1))
		}
	}
	count(first)
	save(first)
	killed := d.restart()
	count(killed)
	d.allow = 1 // transactions
	if save(killed) {
		t.Fatal("all of it was saved")
	}
	d.allow = math.MaxInt
	again := d.restart()
	counts := map[int64]int{}
	for i := range identifiers {
		counts[take(again, 0, ask(fmt.Sprint(i), 10, 0))[0].Remaining]++
	}
	if counts[8] < transactionRows || counts[8]+counts[9] != identifiers {
		t.Errorf("remaining: %v, want 8 for those that were saved and 9 for the rest", counts)
	}
	save(again)
	if n := len(d.list()); n != identifiers {
		t.Errorf("%d counters are saved after the first complete saving, want %d", n, identifiers)
	}
}

func TestARestartLosesNoCounts(t *testing.T) {
	m, d := newSaved()
	wantAsk(t, m, 500, ask("a", 10, 8), passed(2, 1_000))
	save(m)
	m = d.restart()
	wantAsk(t, m, 600, ask("a", 10, 3), refused(1_000))
	wantAsk(t, m, 1_500, ask("a", 10, 2), passed(4, 2_000))
	save(m)
	m = d.restart()
	wantAsk(t, m, 1_500, ask("a", 10, 0), passed(4, 2_000))
}

// Close saves what has changed since the last save.
func TestCloseSaves(t *testing.T) {
	d := newDisk()
	open := func() *Memory {
		m, err := OpenMemory(t.Context(), MemoryConfig{
			Store: d, Keep: true, Now: func() int64 { return 0 },
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := open()
	take(m, 0, ask("a", 10, 4))
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m = open()
	wantAsk(t, m, 0, ask("a", 10, 0), passed(6, 1_000))
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// oldSegment was written by the first release with segments: four sliding windows
// of two workspaces.
const oldSegment = "0577735f3107726c6e735f3107757365725f31c0a907aad4821bc0bab7fef9620e060000" +
	"07757365725f32000000feffffffffffffffff0100000d6b65792f7265717565737473066b65795f31" +
	"bed6f8ffffffffffff01a9d4821bbec5c881869dffffff0104020577735f320a776f726b7370616365" +
	"0577735f32bdd6f8ffffffffffff01a8d4821bfdeecf81869dffffff011618"

// From segments and rows; of two states of a window the larger count is loaded.
func TestCountersOfAnEarlierReleaseAreLoaded(t *testing.T) {
	data, err := hex.DecodeString(oldSegment)
	if err != nil {
		t.Fatal(err)
	}
	d := newDisk()
	d.segments[7] = []Segment{{Shard: 7, Data: data, Expires: math.MaxInt64}}
	row := Row{
		Workspace: "ws_1", Namespace: "rlns_1", Identifier: "user_1", Duration: 60_000,
		Words: [3]int64{28333333, 2, 9}, Expires: 28333335 * 60_000,
	}
	d.rows[keyColumns(row)] = row
	want := []saved{
		{
			Key{
				Workspace: "ws_1", Namespace: "key/requests", Identifier: "key_1",
				Duration: math.MaxInt64,
			},
			state{0, 2, 1},
		},
		{Key{Workspace: "ws_1", Namespace: "rlns_1", Identifier: "user_1", Duration: 60_000},
			state{28333333, 7, 9}},
		{Key{Workspace: "ws_1", Namespace: "rlns_1", Identifier: "user_2", Duration: 60_000},
			state{28333333, math.MaxInt64, 0}},
		{Key{Workspace: "ws_2", Namespace: "workspace", Identifier: "ws_2", Duration: 60_000},
			state{28333332, 11, 12}},
	}
	m := d.restart()
	wantSaved(t, m, d, want...)
	if len(d.rows) != 0 {
		t.Error("the row is left although its counter is saved in a segment")
	}
	// Nodes that share the rows take up the same.
	shared := newDisk()
	shared.segments[7] = []Segment{{Shard: 7, Data: data, Expires: math.MaxInt64}}
	shared.rows[keyColumns(row)] = row
	for range 2 {
		r := openRows(t, shared, 2)
		for _, c := range want {
			if got := shared.counter(c.Key).state(); got != c.state {
				t.Errorf("%+v: %v, want %v", c.Key, got, c.state)
			}
		}
		if len(shared.segments) != 0 {
			t.Error("the segment is left although its counters are rows")
		}
		_ = r.Close(t.Context())
	}
}

// rowAtRandom draws any row; texts and numbers are often those of others.
func rowAtRandom(rt *rapid.T) Row {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "ws_1"}), rapid.String())
	number := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64())
	r := Row{
		Workspace: word.Draw(rt, "workspace"), Namespace: word.Draw(rt, "namespace"),
		Identifier: word.Draw(rt, "identifier"),
		Duration:   number.Draw(rt, "duration"), Expires: number.Draw(rt, "expires"),
	}
	for i := range r.Words {
		r.Words[i] = number.Draw(rt, "word")
	}
	return r
}

func segmentOf(rows ...Row) (data []byte) {
	var last Row
	for _, r := range rows {
		data, last = appendRow(data, &r, &last), r
	}
	return data
}

func rowsOf(data []byte) (rows []Row, err error) {
	s := Segment{Data: data}
	err = s.Each(func(r Row) { rows = append(rows, r) })
	return rows, err
}

func TestSegmentsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOf(rapid.Custom(rowAtRandom)).Draw(rt, "rows")
		data := segmentOf(rows...)
		got, err := rowsOf(data)
		if err != nil || !slices.Equal(got, rows) {
			rt.Fatalf("%v\n%s", err, cmp.Diff(rows, got))
		}
		if len(data) == 0 {
			return
		}
		short := data[:rapid.IntRange(0, len(data)-1).Draw(rt, "cut")]
		if got, err := rowsOf(short); err == nil && len(got) >= len(rows) {
			rt.Fatalf("a segment that was cut gives %d rows of %d", len(got), len(rows))
		}
	})
}

func FuzzDamagedSegments(f *testing.F) {
	key := keyOf("a")
	f.Add(segmentOf(key.row(state{7, 3, 0})))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := rowsOf(data)
		if err != nil && !errors.Is(err, errSegment) {
			t.Errorf("error %v", err)
		}
		if again, err := rowsOf(segmentOf(rows...)); err != nil || !slices.Equal(again, rows) {
			t.Error(cmp.Diff(rows, again), err)
		}
	})
}

func TestADamagedSegmentIsAnErrorThatNamesIt(t *testing.T) {
	d := newDisk()
	d.segments[4] = []Segment{{Shard: 4, Data: []byte("?")}}
	for _, open := range []func() error{
		func() error { return NewMemory().load(t.Context(), d) },
		func() error {
			_, err := OpenRows(t.Context(), RowsConfig{Store: d})
			return err
		},
	} {
		if err := open(); !errors.Is(err, errSegment) || !strings.Contains(err.Error(), "shard 4") {
			t.Errorf("error %v", err)
		}
	}
}

// Rows of different counters have different keys, whatever texts are in them.
func TestDifferentCountersHaveDifferentRows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.SampledFrom([]string{
			"", "a", mark, mark + "a", mark + "sliding_window", mark + "sliding_window" + mark,
			mark + "token_bucket" + mark,
		})
		key := rapid.Custom(func(rt *rapid.T) Key {
			return Key{
				Namespace: word.Draw(rt, "namespace") + word.Draw(rt, "rest"), Duration: second,
				Algorithm: Algorithm(rapid.IntRange(0, len(algorithms)-1).Draw(rt, "algorithm")),
			}
		})
		a, b, s := key.Draw(rt, "a"), key.Draw(rt, "b"), state{1, 2, 3}
		ra, rb := a.row(s), b.row(s)
		if (keyColumns(ra) == keyColumns(rb)) != (a == b) {
			rt.Fatalf("%+v and %+v have the rows %+v and %+v", a, b, ra, rb)
		}
		if key, got, err := ra.counter(); key != a || got != s || err != nil {
			rt.Fatalf("%+v: %+v %v %v", a, key, got, err)
		}
	})
}

func TestLoadKeepsTheLargerCount(t *testing.T) {
	for _, c := range []struct {
		name               string
		first, after, want state
	}{
		{"the same", state{7, 3, 4}, state{7, 3, 4}, state{7, 3, 4}},
		{"each window for itself", state{7, 3, 4}, state{7, 2, 9}, state{7, 3, 9}},
		{"one window older", state{7, 3, 4}, state{6, 5, 9}, state{7, 3, 5}},
		{"one window newer", state{6, 5, 9}, state{7, 3, 4}, state{7, 3, 5}},
		{"long past", state{7, 3, 4}, state{5, 5, 9}, state{7, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, d := keyOf("a"), newDisk()
			d.segments[1] = []Segment{
				{Shard: 1, Data: segmentOf(key.row(c.first), key.row(c.after))},
			}
			m := d.restart()
			wantSaved(t, m, d, saved{key, c.want})
			wantSaved(t, m, d)
		})
	}
}

func TestExpiresIsTwoDurationsAfterTheStart(t *testing.T) {
	for _, c := range []struct{ sequence, duration, want int64 }{
		{0, 1_000, 2_000},
		{7, 1_000, 9_000},
		{0, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, 1, math.MaxInt64},
		{math.MaxInt64 - 2, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64 - 2, 1, math.MaxInt64},
		{math.MaxInt64 - 3, 1, math.MaxInt64 - 1},
	} {
		if got := (windows{}).expires(state{a: uint64(c.sequence)}, c.duration); got != c.want {
			t.Errorf("window %d of %d ms expires at %d, want %d", c.sequence, c.duration, got,
				c.want)
		}
	}
}

// Saving, with saves that fail, and sweeping go on beside the calls. In the end
// as many calls have passed as the limits allow, all of them are saved, and only
// what matters is kept.
func TestConcurrentSavesAndSweepsLoseNothing(t *testing.T) {
	const identifiers, limit, workers = 150 * shardCount, 3, 5
	m, d := newSaved()
	for i := range identifiers {
		short := ask(fmt.Sprint(i), limit, 1)
		short.Duration = 1
		take(m, 0, short)
	}
	stop := beside(func(turn int) {
		m.Sweep(1_999)
		d.failures = (turn + 1) % 2
		save(m)
	})
	var accepted atomic.Int64
	inParallel(workers, func(int) bool {
		for i := range identifiers {
			if take(m, 0, ask(fmt.Sprint(i), limit, 1))[0].Passed {
				accepted.Add(1)
			}
		}
		return true
	})
	stop()
	m.Sweep(1_999)
	d.failures = 0
	save(m)

	if got := accepted.Load(); got != identifiers*limit {
		t.Errorf("%d calls passed, want %d", got, identifiers*limit)
	}
	if n := live(m); n != identifiers {
		t.Errorf("%d counters are kept, want %d", n, identifiers)
	}
	again := d.restart()
	if n := live(again); n != identifiers {
		t.Errorf("%d counters are saved, want %d", n, identifiers)
	}
	for i := range identifiers {
		if d := take(again, 0, ask(fmt.Sprint(i), limit, 0))[0]; d.Remaining != 0 || !d.Passed {
			t.Fatalf("identifier %d: %+v after a restart, want all of it used", i, d)
		}
	}
}

// beside calls do again and again until the returned function is called, which
// waits for the last turn to end.
func beside(do func(turn int)) (stop func()) {
	var stopping atomic.Bool
	var running sync.WaitGroup
	running.Go(func() {
		for turn := 0; !stopping.Load(); turn++ {
			do(turn)
		}
	})
	return func() {
		stopping.Store(true)
		running.Wait()
	}
}
