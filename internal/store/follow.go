package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
	fresh  bool         // nothing was read on this connection
	server server       // of the last read
	last   *read.Change // the last row read; nil before the first read
	at     time.Time    // when the last read that reached the end of the log began
	warned bool         // the log says that it can't be read
}

// run reads the log until ctx ends, reconnecting after each error.
func (f *follower) run(ctx context.Context) {
	f.at = time.Now()
	for ctx.Err() == nil {
		began := time.Now()
		err := f.follow(ctx)
		if !f.warned && ctx.Err() == nil && time.Since(f.at) > 2*readTimeout {
			f.warned = true
			f.shared.fence.log.Warn("the change log can't be read in time, so nothing cached is used",
				"after", time.Since(began), "error", err)
		}
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
	f.fresh = true
	for {
		more, err := f.read(ctx, conn)
		if err != nil {
			return fmt.Errorf("read within %v: %w", readTimeout, err)
		}
		if f.warned {
			f.warned = false
			f.shared.fence.log.Info("the change log is read again")
		}
		if more {
			continue
		}
		if err := f.wait(ctx, conn); err != nil {
			return err
		}
	}
}

// connect takes as long as the hosts need: nobody waits for it.
func (f *follower) connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := f.shared.dedicated.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if !f.shared.listens {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "LISTEN latchkey_changes"); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), conn.Close())
	}
	return conn, nil
}

// excerpt is a part of the change log as one statement saw it.
type excerpt struct {
	server server
	end    int64 // the number of the last change
	rows   []read.Change
}

// excerptText returns the changes from a number on, and first a row with the server and
// the number of the last change. It is one statement, because behind a pooler each
// statement can be on another server.
const excerptText = `SELECT CAST(-1 AS BIGINT) AS seq, %s, h.changes, ''
FROM heads h WHERE h.id = 1
UNION ALL (SELECT c.seq, c.node, c.time, c.touched
    FROM changes c WHERE c.seq >= $1 ORDER BY c.seq LIMIT $2)`

func (f *follower) excerpt(ctx context.Context, conn dbtx, from int64) (e excerpt, err error) {
	me := whoAmI
	if f.shared.fence.isOff() {
		me = whoAmINot
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf(excerptText, me), from, maxChanges)
	if err != nil {
		return e, err
	}
	defer rows.Close()
	for rows.Next() {
		var c read.Change
		if err := rows.Scan(&c.Seq, &c.Node, &c.Time, &c.Touched); err != nil {
			return e, err
		}
		if c.Seq >= 0 {
			e.rows = append(e.rows, c)
			continue
		}
		e.end = c.Time
		if e.server, err = serverOf(c.Node); err != nil {
			return e, err
		}
	}
	slices.SortFunc(e.rows, func(a, b read.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return e, errors.Join(rows.Err(), f.shared.fence.admit(e.server))
}

// read reports the changes committed since the last row read, and whether there
// are more. It reads from that row on, not after it: if the row is missing or
// different, or the rows after it have a gap, then rows were dropped or the
// database lost some, and everything may have changed. So it may on another
// connection or another server, even if the log continues: what this node committed or
// read after the last row can be lost.
func (f *follower) read(ctx context.Context, conn dbtx) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	at, committed := time.Now(), f.shared.committed.Load()
	if f.last == nil {
		return f.start(ctx, conn, loss{})
	}
	log, err := f.excerpt(ctx, conn, f.last.Seq)
	if err != nil {
		return false, err
	}
	if lost := f.lost(log, committed); lost.changes > 0 {
		f.shared.committed.CompareAndSwap(committed, log.end)
		return f.start(ctx, conn, lost)
	}
	news, ok := f.continued(log.rows)
	if !ok {
		return f.start(ctx, conn, loss{})
	}
	if len(news) > 0 {
		f.last = &news[len(news)-1]
	}
	if more = len(log.rows) == maxChanges; !more {
		f.at = at
	}
	h := f.report(news)
	h.All = h.All || f.fresh || log.server != f.server
	f.fresh, f.server = false, log.server
	f.apply(h)
	return more, nil
}

// loss says that the database lost changes that were committed.
type loss struct {
	changes int64 // how many, at least
	after   int64 // the number of the last change that is left
}

// lost returns what the log shows to be lost of what this node committed, before the
// reading began, or read.
func (f *follower) lost(log excerpt, committed int64) loss {
	found := f.shared.wentBack.Swap(nil) // by the writer
	switch known := max(committed, f.last.Seq); {
	case log.end < known:
		return loss{known - log.end, log.end}
	case len(log.rows) > 0 && log.rows[0].Seq == f.last.Seq && log.rows[0] != *f.last:
		return loss{1, f.last.Seq - 1} // another change has its number
	case found != nil:
		return *found
	}
	return loss{}
}

// start continues from the end of the log.
func (f *follower) start(ctx context.Context, conn dbtx, lost loss) (more bool, err error) {
	at := time.Now()
	head, err := f.excerpt(ctx, conn, math.MaxInt64)
	if err != nil {
		return false, err
	}
	log, err := f.excerpt(ctx, conn, head.end)
	if err != nil {
		return false, err
	}
	f.last = &read.Change{Seq: head.end}
	if len(log.rows) > 0 {
		f.last = &log.rows[len(log.rows)-1]
	}
	f.at, f.fresh, f.server = at, false, head.server
	f.apply(LogRead{At: at, All: true, Lost: lost.changes, LostAfter: lost.after})
	return len(log.rows) == maxChanges, nil
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
