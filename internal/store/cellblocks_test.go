package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// cellAtRandom draws any cell; texts and numbers are often those of others.
func cellAtRandom(rt *rapid.T) read.Cell {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "ws_1"}), rapid.String())
	number := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64())
	return read.Cell{
		WorkspaceID: word.Draw(rt, "workspace"), Namespace: word.Draw(rt, "namespace"), Identifier: word.Draw(rt, "identifier"),
		Duration: number.Draw(rt, "duration"), Sequence: number.Draw(rt, "sequence"), Current: number.Draw(rt, "current"),
		Previous: number.Draw(rt, "previous"), ExpiresAt: number.Draw(rt, "expires"),
	}
}

func blockOf(cells ...read.Cell) *CellBlock {
	var b CellBlock
	for _, c := range cells {
		b.Add(c)
	}
	return &b
}

func TestBlocksGiveBackTheirCells(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cells := rapid.SliceOf(rapid.Custom(cellAtRandom)).Draw(rt, "cells")
		b := blockOf(cells...)
		got, err := cellsOf(b.bytes)
		if err != nil || !slices.Equal(got, cells) {
			rt.Fatalf("%v\n%s", err, cmp.Diff(cells, got))
		}
		for _, c := range cells {
			if b.expires < c.ExpiresAt {
				rt.Fatalf("the block expires at %d, before its cell %+v", b.expires, c)
			}
		}
		if len(b.bytes) == 0 {
			return
		}
		short := b.bytes[:rapid.IntRange(0, len(b.bytes)-1).Draw(rt, "cut")]
		if got, err := cellsOf(short); err == nil && len(got) >= len(cells) {
			rt.Fatalf("a block that was cut gives %d cells of %d", len(got), len(cells))
		}
	})
}

func FuzzDamagedBlocks(f *testing.F) {
	f.Add(blockOf(cellOf("a", 3)).bytes)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, block []byte) {
		cells, err := cellsOf(block)
		if err != nil && (!errors.Is(err, errBlock) || cells != nil) {
			t.Errorf("%d cells, error %v", len(cells), err)
		}
		if again, err := cellsOf(blockOf(cells...).bytes); err != nil || !slices.Equal(again, cells) {
			t.Error(cmp.Diff(cells, again), err)
		}
	})
}

// TestStatesOfACellAreMerged as the limiter does it when it loads them.
func TestStatesOfACellAreMerged(t *testing.T) {
	at := func(sequence, current, previous int64) read.Cell {
		return read.Cell{Duration: 1000, Sequence: sequence, Current: current, Previous: previous, ExpiresAt: (sequence + 2) * 1000}
	}
	for _, c := range []struct{ a, b, want read.Cell }{
		{at(7, 2, 5), at(7, 3, 4), at(7, 3, 5)},
		{at(7, 9, 5), at(8, 1, 0), at(8, 1, 9)},
		{at(7, 9, 5), at(8, 1, 12), at(8, 1, 12)},
		{at(7, 9, 5), at(9, 1, 2), at(9, 1, 2)},
	} {
		if got := merged(c.a, c.b); got != c.want || merged(c.b, c.a) != c.want {
			t.Errorf("%+v and %+v: %+v, want %+v", c.a, c.b, got, c.want)
		}
	}
}

// cellOf is a cell of a window of a second.
func cellOf(identifier string, current int64) read.Cell {
	return read.Cell{WorkspaceID: "ws", Namespace: "ns", Identifier: identifier, Duration: 1_000, Sequence: 7, Current: current, ExpiresAt: 9_000}
}

func saveBlocks(t *testing.T, db *DB, part int64, blocks ...*CellBlock) {
	t.Helper()
	update(t, db, func(ctx context.Context, tx *Tx) error {
		for _, b := range blocks {
			if err := tx.SaveCellBlock(ctx, part, b); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveRow(c read.Cell) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error { return tx.SaveCell(ctx, write.SaveCellParams(c)) }
}

func update(t *testing.T, db *DB, work func(context.Context, *Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), work); err != nil {
		t.Fatal(err)
	}
}

// saved returns which cells are saved, sorted, and the highest part.
func saved(t *testing.T, db *DB) (all []string, last int64) {
	t.Helper()
	last, err := db.SavedCells(t.Context(), func(cells []read.Cell) {
		for _, c := range cells {
			all = append(all, fmt.Sprint(c.Identifier, c.Current))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all, last
}

func wantSaved(t *testing.T, db *DB, want ...string) {
	t.Helper()
	got, _ := saved(t, db)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

func TestPartsAreSavedReplacedAndDropped(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		update(t, db, saveRow(cellOf("row", 1)))
		saveBlocks(t, db, 1, blockOf(cellOf("a", 1), cellOf("b", 2)), blockOf(cellOf("a", 3)))
		saveBlocks(t, db, 65, blockOf(cellOf("c", 4)))
		wantSaved(t, db, "a1", "a3", "b2", "c4", "row1")
		if _, last := saved(t, db); last != 65 {
			t.Errorf("the last part is %d, want 65", last)
		}
		for n := int64(1); n > 0; {
			update(t, db, func(ctx context.Context, tx *Tx) (err error) {
				n, err = tx.DropCellsBefore(ctx, 65, 1)
				return err
			})
		}
		wantSaved(t, db, "c4")
		update(t, db, func(ctx context.Context, tx *Tx) error { return tx.DropCellPart(ctx, 65) })
		wantSaved(t, db)
	})
}

func TestCellsAreDroppedWhenAllOfABlockHasExpired(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		late := cellOf("late", 1)
		late.ExpiresAt = 9_001
		update(t, db, saveRow(cellOf("row", 1)))
		saveBlocks(t, db, 1, blockOf(cellOf("a", 1)), blockOf(cellOf("b", 1), late, cellOf("c", 1)))
		drop := func(now int64) {
			update(t, db, func(ctx context.Context, tx *Tx) error {
				_, err := tx.DropCellsBy(ctx, now, 10)
				return err
			})
		}
		drop(8_999)
		wantSaved(t, db, "a1", "b1", "c1", "late1", "row1")
		drop(9_000)
		wantSaved(t, db, "b1", "c1", "late1")
		drop(9_001)
		wantSaved(t, db)
	})
}

func TestADamagedBlockIsAnError(t *testing.T) {
	db := open(t, t.TempDir())
	saveBlocks(t, db, 4, &CellBlock{bytes: []byte("?")})
	_, err := db.SavedCells(t.Context(), func([]read.Cell) {})
	if !errors.Is(err, errBlock) || !strings.Contains(err.Error(), "part 4") {
		t.Errorf("error %v", err)
	}
}

// TestACopyUnpacksBlocks into rows, each cell as it was saved last, and leaves
// the source as it is.
func TestACopyUnpacksBlocks(t *testing.T) {
	each(t, func(t *testing.T, to string) {
		from := t.TempDir()
		db := open(t, from)
		update(t, db, saveRow(cellOf("a", 1)))
		saveBlocks(t, db, 1, blockOf(cellOf("a", 2), cellOf("b", 1)), blockOf(cellOf("a", 4)), blockOf(cellOf("a", 3)))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		copied(t, from, to)
		there := open(t, to)
		rows, err := there.Cells(t.Context())
		slices.SortFunc(rows, func(a, b read.Cell) int { return strings.Compare(a.Identifier, b.Identifier) })
		if diff := cmp.Diff([]read.Cell{cellOf("a", 4), cellOf("b", 1)}, rows); diff != "" || err != nil {
			t.Error(diff, err)
		}
		wantSaved(t, there, "a4", "b1")
		wantSaved(t, open(t, from), "a1", "a2", "a3", "a4", "b1")
	})
}
