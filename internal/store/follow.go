package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

const (
	// pollInterval is the longest pause between reads of the change log. With a
	// round trip it bounds the replication lag.
	pollInterval = 200 * time.Millisecond
	// readTimeout bounds each round trip of a follower; a slower read would be
	// stale on arrival.
	readTimeout = time.Second
	// maxChanges is the most rows that one read returns.
	maxChanges = 1000
)

// follower reads the change log on a connection of its own.
type follower struct {
	shared *postgres
	node   string
	apply  func(LogRead)
	last   *read.Change // the last row read; nil before the first read
	at     time.Time    // when the last read that reached the end of the log began
}

// run reads the log until ctx ends, reconnecting after each error.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		_ = f.follow(ctx) // an error shows as replication lag
		sleep(ctx, 50*time.Millisecond+rand.N(200*time.Millisecond))
	}
}

// follow reads over one connection until it fails.
func (f *follower) follow(ctx context.Context) error {
	conn, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	q := read.New(conn)
	for {
		more, err := f.read(ctx, q)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		if err := f.wait(ctx, conn); err != nil {
			return err
		}
	}
}

func (f *follower) connect(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	conn, err := f.shared.dedicated.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if !f.shared.listens {
		return conn, nil
	}
	if _, err := conn.ExecContext(ctx, "LISTEN latchkey_changes"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// read reports the changes committed since the last row read, and whether there
// are more. It reads from that row on, not after it: if the row is missing or
// different, or the rows after it have a gap, then rows were dropped or the
// database lost some, and everything may have changed.
func (f *follower) read(ctx context.Context, q *read.Queries) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if f.last == nil {
		return f.start(ctx, q)
	}
	at := time.Now()
	rows, err := q.ChangesFrom(ctx, f.last.Seq, maxChanges)
	if err != nil {
		return false, err
	}
	news, ok := f.continued(rows)
	if !ok {
		return f.start(ctx, q)
	}
	if len(news) > 0 {
		f.last = &news[len(news)-1]
	}
	if more = len(rows) == maxChanges; !more {
		f.at = at
	}
	f.apply(f.report(news))
	return more, nil
}

// start continues from the end of the log.
func (f *follower) start(ctx context.Context, q *read.Queries) (more bool, err error) {
	at := time.Now()
	head, err := q.Head(ctx)
	if err != nil {
		return false, err
	}
	rows, err := q.ChangesFrom(ctx, head.Changes, maxChanges)
	if err != nil {
		return false, err
	}
	f.last = &read.Change{Seq: head.Changes}
	if len(rows) > 0 {
		f.last = &rows[len(rows)-1]
	}
	f.at = at
	f.apply(LogRead{At: at, All: true})
	return len(rows) == maxChanges, nil
}

// continued returns the rows that follow the last one without a gap.
func (f *follower) continued(rows []read.Change) ([]read.Change, bool) {
	if f.last.Seq > 0 {
		if len(rows) == 0 || rows[0] != *f.last {
			return nil, false
		}
		rows = rows[1:]
	}
	for i, row := range rows {
		if row.Seq != f.last.Seq+1+int64(i) {
			return nil, false
		}
	}
	return rows, true
}

// report converts rows to what Follow passes on.
func (f *follower) report(rows []read.Change) LogRead {
	h := LogRead{At: f.at}
	for _, row := range rows {
		if row.Node == f.node {
			continue
		}
		t := Touched{Time: time.UnixMilli(row.Time)}
		if json.Unmarshal([]byte(row.Touched), &t.IDs) != nil {
			h.All = true // also for "", which stands for too many ids
		}
		h.Changes = append(h.Changes, t)
	}
	return h
}

// wait returns when there may be new rows, or an error if the connection broke.
func (f *follower) wait(ctx context.Context, conn *sql.Conn) error {
	if !f.shared.listens {
		sleep(ctx, pollInterval)
		return ctx.Err()
	}
	waiting, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	err := conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().WaitForNotification(waiting)
		if waiting.Err() != nil {
			return nil
		}
		return err
	})
	return errors.Join(err, ctx.Err())
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
