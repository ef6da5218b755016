package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// waits are how long blocks of a step wait for others at each level, before they are merged
// although they are few. The first merge rolls them up into the next step.
var waits = [steps][]time.Duration{
	Raw:   {time.Minute, hour, day},
	Hour:  {hour, day, 30 * day},
	Day:   {day, 30 * day},
	Month: {30 * day},
}

// ages are how long each kind of rows is kept.
var ages = [kinds][steps]time.Duration{
	Verifications: {Raw: 90 * day, Hour: 90 * day, Day: 365 * day, Month: 3 * 365 * day},
	Limits:        {Raw: 31 * day, Hour: 30 * day, Day: 100 * day, Month: 3 * 365 * day},
}

// mergeRows is from how many rows on blocks are merged without waiting, and the most that a
// merge takes, besides its last block.
const mergeRows = blockRows

// orphaned is how old blocks of another node are before this one merges them.
const orphaned = 5 * time.Minute

// errTaken is that another node merges the same blocks.
var errTaken = errors.New("another node has merged these blocks")

// maintainUntil merges, rolls up and deletes in the background.
func (l *Log) maintainUntil(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	failing := false
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.mergeAll(ctx)
		if n%60 == 0 {
			err = errors.Join(err, l.deleteOld(ctx))
		}
		if err != nil && !failing && ctx.Err() == nil {
			l.log.Error("blocks of events can't be merged; the next run tries again", "error", err)
		}
		failing = err != nil
	}
}

// mergeAll merges what is due.
func (l *Log) mergeAll(ctx context.Context) error {
	var failed error
	for step := range steps {
		for level := range waits[step] {
			for kind := range kinds {
				failed = errors.Join(failed, l.mergeLevel(ctx, kind, step, level))
			}
		}
	}
	return failed
}

// mergeLevel merges the blocks of a level while enough of them are there.
func (l *Log) mergeLevel(ctx context.Context, kind Kind, step Step, level int) error {
	for {
		few, err := l.due(ctx, kind, step, level)
		if err != nil || len(few) == 0 {
			return err
		}
		switch err := l.merge(ctx, kind, step, level, few); {
		case errors.Is(err, errTaken):
			return nil
		case err != nil:
			return err
		}
		l.stats.merged.Add(1)
	}
}

// due returns the blocks that should be merged now, none if they can wait.
func (l *Log) due(ctx context.Context, kind Kind, step Step, level int) ([]*stored, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	db, err := l.blocks.open(ctx)
	if err != nil {
		return nil, err
	}
	now := l.now()
	rows, err := db.QueryContext(ctx, `SELECT node, sequence, row_count, stored_at
		FROM event_blocks WHERE step = $1 AND level = $2 AND kind = $3
		AND (node = $4 OR stored_at < $5) ORDER BY stored_at, sequence LIMIT 10000`,
		int64(step), level, int64(kind), l.node, now.Add(-orphaned).UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	// Of what the query saw, the blocks from here on can be inserted again.
	unsure := l.unsure.Load()
	var few []*stored
	total, oldest := 0, now.UnixMilli()
	for total < mergeRows && rows.Next() {
		b, at := &stored{}, int64(0)
		if err := rows.Scan(&b.node, &b.sequence, &b.rows, &at); err != nil {
			return nil, err
		}
		if unsure > 0 && b.node == l.node && b.sequence >= unsure {
			continue
		}
		few, total, oldest = append(few, b), total+b.rows, min(oldest, at)
	}
	waited := time.Duration(now.UnixMilli()-oldest) * time.Millisecond
	if total < mergeRows && waited < waits[step][level] {
		return nil, rows.Err()
	}
	return few, rows.Err()
}

// merge replaces blocks by one, and rolls them up at their first merge, in one transaction.
func (l *Log) merge(
	ctx context.Context, kind Kind, step Step, level int, few []*stored,
) error {
	return l.blocks.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		all := newBuilder()
		for _, b := range few {
			if all.size >= blockBytes {
				break // the others are still due
			}
			if err := take(ctx, tx, b); err != nil {
				return err
			}
			block, err := decodeBlock(b.data)
			if err != nil && !errors.Is(err, errDamaged) {
				return err // it is of a newer release
			}
			if err != nil {
				l.log.Error("a damaged block of events is deleted", "node", b.node,
					"sequence", b.sequence, "rows", b.rows, "error", err)
				continue
			}
			all.add(block)
		}
		merged := &all.block
		if step == Raw {
			merged = merged.sorted()
		} else {
			merged = rollUp(merged, step)
		}
		at := l.now().UnixMilli()
		next := level + 1
		if merged.Rows >= mergeRows/2 || all.size >= blockBytes/2 {
			next = len(waits[step]) // it is large enough
		}
		if err := l.insertParts(ctx, tx, kind, step, next, merged, at); err != nil {
			return err
		}
		if level > 0 || step == Month {
			return nil
		}
		return l.insertParts(ctx, tx, kind, step+1, 0, rollUp(merged, step+1), at)
	})
}

// insertParts stores a block, if it has rows.
func (l *Log) insertParts(
	ctx context.Context, tx *sql.Tx, kind Kind, step Step, level int, b *Block, at int64,
) error {
	if b.Rows == 0 {
		return nil
	}
	return insert(ctx, tx, l.newStored(kind, step, level, b), at)
}

// take reads a block and deletes it.
func take(ctx context.Context, tx *sql.Tx, b *stored) error {
	err := tx.QueryRowContext(ctx,
		`DELETE FROM event_blocks WHERE node = $1 AND sequence = $2 RETURNING data`,
		b.node, b.sequence).Scan(&b.data)
	if errors.Is(err, sql.ErrNoRows) {
		return errTaken
	}
	return err
}

// deleteOld deletes what is older than its retention, and the oldest events beyond the bound
// in bytes.
func (l *Log) deleteOld(ctx context.Context) error {
	var failed error
	now := l.now()
	for kind := range kinds {
		for step := range steps {
			age := ages[kind][step]
			if step == Raw {
				age = l.Retention(kind)
			}
			failed = errors.Join(failed,
				l.deleteBefore(ctx, kind, step, now.Add(-age).UnixMilli()))
		}
	}
	return errors.Join(failed, l.deleteBeyond(ctx), l.deleteDrops(ctx, now))
}

func (l *Log) deleteBefore(ctx context.Context, kind Kind, step Step, before int64) error {
	return l.blocks.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			`DELETE FROM event_blocks WHERE kind = $1 AND step = $2 AND last_at < $3`,
			int64(kind), int64(step), before)
		return l.countDeleted(result, err)
	})
}

func (l *Log) countDeleted(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	l.stats.deleted.Add(n)
	return err
}

// deleteDrops deletes the notes on dropped events that no sum of months needs any more.
func (l *Log) deleteDrops(ctx context.Context, now time.Time) error {
	return l.blocks.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM event_drops WHERE last_at < $1`,
			now.Add(-ages[Verifications][Month]).UnixMilli())
		return err
	})
}

// deleteBeyond deletes the oldest blocks of events that have been rolled up, until the rest
// has no more bytes than allowed.
func (l *Log) deleteBeyond(ctx context.Context) error {
	return l.blocks.update(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var bytes int64
		if err := tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT)
			FROM event_blocks WHERE step = 0`).Scan(&bytes); err != nil {
			return err
		}
		if bytes <= l.maxBytes {
			return nil
		}
		until, err := cutoff(ctx, tx, bytes-l.maxBytes)
		if err != nil {
			return fmt.Errorf("oldest events: %w", err)
		}
		result, err := tx.ExecContext(ctx,
			`DELETE FROM event_blocks WHERE step = 0 AND level > 0 AND last_at <= $1`, until)
		return l.countDeleted(result, err)
	})
}

// cutoff returns until when events must be deleted to free some bytes.
func cutoff(ctx context.Context, tx *sql.Tx, free int64) (until int64, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT last_at, bytes FROM event_blocks WHERE step = 0 AND level > 0 ORDER BY last_at`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for free > 0 && rows.Next() {
		var bytes int64
		if err := rows.Scan(&until, &bytes); err != nil {
			return 0, err
		}
		free -= bytes
	}
	return until, rows.Err()
}
