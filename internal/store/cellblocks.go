package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CellBlock is many cells in one value, which is how a process that has the
// database for itself saves them. It stands for a row for each cell, with its
// place in two indexes: that took 13 times the processor time to save a window
// (BenchmarkSaveCells in internal/engine) and 8 times the room. What comes back
// is held equal by TestBlocksGiveBackTheirCells, and to what is in memory by the
// engine's TestSavedWindowsAreThoseInMemory. The zero value is empty.
//
// Cells follow one another without a mark between them. Texts come as their
// length plus one and their bytes, or as 0 where they are those of the cell
// before; what cells that lie together have nearly in common, as the difference
// to the cell before.
type CellBlock struct {
	bytes   []byte
	last    read.Cell
	expires int64
}

// Add appends a cell.
func (b *CellBlock) Add(c read.Cell) {
	p := appendText(b.bytes, c.WorkspaceID, b.last.WorkspaceID)
	p = appendText(p, c.Namespace, b.last.Namespace)
	p = appendText(p, c.Identifier, b.last.Identifier)
	p = binary.AppendVarint(p, c.Duration-b.last.Duration) // differences may wrap, there and back
	p = binary.AppendVarint(p, c.Sequence-b.last.Sequence)
	p = binary.AppendVarint(p, c.ExpiresAt-b.last.ExpiresAt)
	p = binary.AppendVarint(p, c.Current)
	b.bytes = binary.AppendVarint(p, c.Previous)
	b.expires = max(b.expires, c.ExpiresAt)
	b.last = c
}

func appendText(p []byte, s, last string) []byte {
	if s == last {
		return append(p, 0)
	}
	return append(binary.AppendUvarint(p, uint64(len(s))+1), s...)
}

// errBlock is what is wrong with a block that can't be read.
var errBlock = errors.New("store: a block of rate-limit windows is damaged")

// blockReader reads a block. After an error what it returns means nothing.
type blockReader struct {
	rest []byte
	err  error
}

// cellsOf returns the cells of a block.
func cellsOf(block []byte) ([]read.Cell, error) {
	var cells []read.Cell
	var c read.Cell
	r := blockReader{rest: block}
	for len(r.rest) > 0 {
		c = read.Cell{
			WorkspaceID: r.text(c.WorkspaceID), Namespace: r.text(c.Namespace), Identifier: r.text(c.Identifier),
			Duration: c.Duration + r.number(), Sequence: c.Sequence + r.number(), ExpiresAt: c.ExpiresAt + r.number(),
			Current: r.number(), Previous: r.number(),
		}
		if r.err != nil {
			return nil, r.err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

func (r *blockReader) text(last string) string {
	size, n := binary.Uvarint(r.rest)
	if n <= 0 || size > uint64(len(r.rest)-n)+1 {
		r.rest, r.err = nil, errBlock
		return ""
	}
	r.rest = r.rest[n:]
	if size == 0 {
		return last
	}
	s := string(r.rest[:size-1])
	r.rest = r.rest[size-1:]
	return s
}

func (r *blockReader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.rest, r.err = nil, errBlock
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// SaveCellBlock saves a block beside those that its part has.
func (tx *Tx) SaveCellBlock(ctx context.Context, part int64, b *CellBlock) error {
	return tx.InsertCellBlock(ctx, part, b.expires, b.bytes)
}

// SavedCells gives visit all cells that are saved in blocks or rows, many at a
// time. A cell comes as often as it was saved and not replaced; of its states
// the largest counts. It returns the highest number of a part, 0 if there is none.
func (db *DB) SavedCells(ctx context.Context, visit func([]read.Cell)) (last int64, err error) {
	rows, err := db.Cells(ctx)
	if err != nil {
		return 0, fmt.Errorf("store: cells: %w", err)
	}
	visit(rows)
	return cellsInBlocks(ctx, db.reads, visit)
}

// cellsInBlocks is SavedCells for the cells in blocks.
func cellsInBlocks(ctx context.Context, on *read.Queries, visit func([]read.Cell)) (last int64, err error) {
	blocks, err := on.CellBlocks(ctx)
	if err != nil {
		return 0, fmt.Errorf("store: cells: %w", err)
	}
	for _, b := range blocks {
		cells, err := cellsOf(b.Cells)
		if err != nil {
			return 0, fmt.Errorf("%w (block %d of part %d)", err, b.Seq, b.Part)
		}
		visit(cells)
		last = max(last, b.Part)
	}
	return last, nil
}

// DropCellsBefore drops what was saved of cells as rows, and in parts with a
// lower number than first, up to most of each at a time. It returns how much it
// dropped of that of which it dropped more.
func (tx *Tx) DropCellsBefore(ctx context.Context, first, most int64) (int64, error) {
	rows, err := tx.DropCells(ctx, math.MaxInt64, most)
	if err != nil {
		return 0, err
	}
	blocks, err := tx.DropCellPartsBefore(ctx, first, most)
	return max(rows, blocks), err
}

// DropCellsBy drops cells, in rows and in blocks, of which nothing matters any
// longer at a time, as DropCellsBefore does.
func (tx *Tx) DropCellsBy(ctx context.Context, now, most int64) (int64, error) {
	rows, err := tx.DropCells(ctx, now, most)
	if err != nil {
		return 0, err
	}
	blocks, err := tx.DropCellBlocks(ctx, now, most)
	return max(rows, blocks), err
}

// unpack writes the cells that are in blocks into rows, which every database and
// every version knows, and leaves the blocks as they are. What a row has already
// counts too: an older release may have written it after the blocks.
func unpack(ctx context.Context, on runner) error {
	cells := map[read.Cell]read.Cell{}
	add := func(some []read.Cell) {
		for _, c := range some {
			key := keyOf(c)
			if had, ok := cells[key]; ok {
				c = merged(had, c)
			}
			cells[key] = c
		}
	}
	from, to := read.New(on), write.New(on)
	if _, err := cellsInBlocks(ctx, from, add); err != nil || len(cells) == 0 {
		return err
	}
	rows, err := from.Cells(ctx)
	if err != nil {
		return fmt.Errorf("store: cells: %w", err)
	}
	add(rows)
	for _, c := range cells {
		if err := to.SaveCell(ctx, write.SaveCellParams(c)); err != nil {
			return fmt.Errorf("store: cells: %w", err)
		}
	}
	return nil
}

// merged returns a cell that has counted what two states of it have, as the
// limiter joins them when it loads both: at the later window of the two, the larger
// count of each.
func merged(a, b read.Cell) read.Cell {
	if a.Sequence < b.Sequence {
		a, b = b, a
	}
	switch a.Sequence - b.Sequence {
	case 0:
		a.Current, a.Previous = max(a.Current, b.Current), max(a.Previous, b.Previous)
	case 1:
		a.Previous = max(a.Previous, b.Current)
	}
	return a
}
