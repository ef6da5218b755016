package engine

import (
	"testing"
	"time"
)

func TestIdempotencyRecordsAreKeptForADay(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "again"
	for _, step := range []struct {
		after time.Duration
		want  int64
	}{{0, 8}, {24 * time.Hour, 8}, {time.Millisecond, 8}} {
		w.advance(step.after)
		if err := w.dropIdempotencyRecords(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := w.limit(who, ask("api", "u", 9))
		fresh := got.Reset.After(w.now())
		if got.Remaining != step.want || fresh != (step.after != 24*time.Hour) {
			t.Errorf("after %v: %+v, counted now: %v", step.after, got, fresh)
		}
	}
}
