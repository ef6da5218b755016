package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Query selects blocks.
type Query struct {
	Kind Kind
	// Step is what a row stands for at most: blocks of finer steps are read where they
	// are not yet rolled up.
	Step Step
	// From and To bound the time in unix ms, both inclusive. Blocks can have other rows.
	From, To int64
	// Columns are the columns to read.
	Columns Columns
}

// Snapshot is a state of the log. It can be used by one goroutine only.
type Snapshot struct {
	tx *sql.Tx
}

// ErrUnavailable is that the events can't be read now.
var ErrUnavailable = errors.New("the events can't be read")

// Snapshot returns the present state. It must be closed.
func (l *Log) Snapshot(ctx context.Context) (*Snapshot, error) {
	db, err := l.blocks.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	options := &sql.TxOptions{ReadOnly: true}
	if l.blocks.pool != nil {
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Snapshot{tx}, nil
}

// Close ends the snapshot.
func (s *Snapshot) Close() error { return s.tx.Rollback() }

// Part is a block that a scan has found.
type Part struct {
	Step        Step
	First, Last int64 // the first and the last time of its rows, in unix ms
	node        string
	sequence    int64
}

// Parts returns the blocks of a query, the oldest first.
func (s *Snapshot) Parts(ctx context.Context, q Query) ([]Part, error) {
	stored := q.Step
	if stored == Minute {
		stored = Raw
	}
	rows, err := s.tx.QueryContext(ctx, `SELECT step, first_at, last_at, node, sequence
		FROM event_blocks
		WHERE kind = $1 AND (step = $2 OR step < $2 AND level = 0)
		AND last_at >= $3 AND first_at <= $4 ORDER BY first_at, node, sequence`,
		int64(q.Kind), int64(stored), Start(q.From, q.Step), q.To)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer rows.Close()
	var parts []Part
	for rows.Next() {
		var p Part
		if err := rows.Scan(&p.Step, &p.First, &p.Last, &p.node, &p.sequence); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, rows.Err()
}

// Read reads a part. If it is about no subject that wanted accepts, it returns nil.
func (s *Snapshot) Read(
	ctx context.Context, p Part, columns Columns, wanted func(*Subject) bool,
) (*Block, error) {
	var data []byte
	if err := s.tx.QueryRowContext(ctx,
		`SELECT data FROM event_blocks WHERE node = $1 AND sequence = $2`,
		p.node, p.sequence).Scan(&data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	b, err := decodeSome(data, columns, wanted)
	if err != nil {
		return nil, fmt.Errorf("block %d of node %s: %w", p.sequence, p.node, err)
	}
	return b, nil
}

// Dropped returns how many events of a kind were dropped between two times, in unix ms. The
// time of a drop is known to a second or so, and drops are of all workspaces together.
func (s *Snapshot) Dropped(ctx context.Context, kind Kind, from, to int64) (n int64, err error) {
	err = s.tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(dropped), 0) AS BIGINT)
		FROM event_drops WHERE kind = $1 AND last_at >= $2 AND first_at <= $3`,
		int64(kind), from, to).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n, nil
}
