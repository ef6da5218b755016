package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

func update(t *testing.T, db *DB, work func(context.Context, *Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), work); err != nil {
		t.Fatal(err)
	}
}

// saveCounters saves a row with a count, and segments of a part.
func saveCounters(t *testing.T, db *DB, identifier string, part int64, segments ...string) {
	t.Helper()
	update(t, db, func(ctx context.Context, tx *Tx) error {
		for i, data := range segments {
			if err := tx.InsertCellBlock(ctx, part, int64(9_000+i), []byte(data)); err != nil {
				return err
			}
		}
		return tx.SaveCell(ctx, write.SaveCellParams{
			Identifier: identifier, Duration: 1_000, Current: 1, ExpiresAt: 9_000,
		})
	})
}

// wantCounters compares what is saved: the identifiers of rows, and the parts and
// the data of segments.
func wantCounters(t *testing.T, db *DB, want ...string) {
	t.Helper()
	var got []string
	err := db.SavedCounters(t.Context(),
		func(r read.Cell) { got = append(got, r.Identifier) },
		func(s read.CellBlock) error {
			got = append(got, fmt.Sprintf("%d %s", s.Part, s.Cells))
			return nil
		})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("saved (-want +got):\n%s %v", diff, err)
	}
}

func TestSegmentsAreSavedReplacedAndDropped(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		saveCounters(t, db, "row", 1, "\x00first", "second")
		saveCounters(t, db, "row", 65, "third")
		wantCounters(t, db, "1 \x00first", "1 second", "65 third", "row")
		for n := int64(1); n > 0; {
			update(t, db, func(ctx context.Context, tx *Tx) (err error) {
				n, err = tx.DropCellPartsBefore(ctx, 65, 1)
				return err
			})
		}
		wantCounters(t, db, "65 third", "row")
		update(t, db, func(ctx context.Context, tx *Tx) error { return tx.DropCellPart(ctx, 65) })
		wantCounters(t, db, "row")
		damaged := errors.New("damaged")
		saveCounters(t, db, "row", 4, "?")
		err := db.SavedCounters(t.Context(), nil, func(read.CellBlock) error { return damaged })
		if !errors.Is(err, damaged) || !strings.Contains(err.Error(), "segment 1") {
			t.Errorf("error %v", err)
		}
	})
}

func TestExpiredCountersAreDropped(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		saveCounters(t, db, "row", 1, "first", "second", "third")
		drop := func(now int64) {
			t.Helper()
			for n := int64(1); n > 0; {
				var err error
				if n, err = db.DropExpiredCounters(t.Context(), now, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		drop(8_999)
		wantCounters(t, db, "1 first", "1 second", "1 third", "row")
		drop(9_001)
		wantCounters(t, db, "1 third")
	})
}

// Including segments that are too large to be copied together.
func TestSegmentsAreCopiedUnchanged(t *testing.T) {
	each(t, func(t *testing.T, to string) {
		from := "sqlite://" + t.TempDir()
		db := open(t, from)
		large := strings.Repeat("large", copyBytes/8)
		saveCounters(t, db, "a", 1, "first", large, large, "\x00\xff", large)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		copied(t, from, to)
		wantCounters(t, open(t, to), "1 \x00\xff", "1 first", "1 "+large, "1 "+large, "1 "+large,
			"a")
	})
}

func TestADecisionThatChangesNothingKeepsItsConnection(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		if !db.Shared() {
			return // it has no counters in rows
		}
		for range 3 {
			keys := []read.Cell{{Identifier: "a", Duration: 1_000}}
			err := db.UpdateCounters(t.Context(), keys, func([]read.Cell) []read.Cell { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if idle := db.Stats().Idle; idle != 1 {
				t.Fatalf("%d connections are idle", idle)
			}
		}
	})
}
