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
	// poll is how long a reading of the change log is waited with if nothing
	// calls for one. It bounds, with a round trip, what nodes know late.
	poll = 200 * time.Millisecond
	// patience bounds each round trip of a follower, which is worth nothing if
	// it takes longer than its memories may be trusted.
	patience = time.Second
	// mostChanges is how many rows one reading takes.
	mostChanges = 1000
)

// follower reads the change log on a connection of its own.
type follower struct {
	shared *postgres
	node   string
	heard  func(Heard)
	last   *read.Change // the last row it has read; nil before the first reading
	at     time.Time    // when the last reading began that came to the end of the log
}

// run follows until ctx ends, over as many connections as that takes.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.follow(ctx) // its error is told by the silence
		pause(ctx, 50*time.Millisecond+rand.N(200*time.Millisecond))
	}
}

// follow reads over one connection until that fails.
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := f.shared.own.Conn(ctx)
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

// read tells what was committed since the last row that it knows, and reports
// whether there is more. The log is read from that row on, not after it: if it
// isn't there as it was, or what follows has a gap, then rows were dropped or
// the database has lost some, and everything may have changed.
func (f *follower) read(ctx context.Context, q *read.Queries) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if f.last == nil {
		return f.start(ctx, q)
	}
	at := time.Now()
	rows, err := q.ChangesFrom(ctx, f.last.Seq, mostChanges)
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
	if more = len(rows) == mostChanges; !more {
		f.at = at
	}
	f.heard(f.tell(news))
	return more, nil
}

// start takes the end of the log as the place to go on from.
func (f *follower) start(ctx context.Context, q *read.Queries) (more bool, err error) {
	at := time.Now()
	head, err := q.Head(ctx)
	if err != nil {
		return false, err
	}
	rows, err := q.ChangesFrom(ctx, head.Changes, mostChanges)
	if err != nil {
		return false, err
	}
	f.last = &read.Change{Seq: head.Changes}
	if len(rows) > 0 {
		f.last = &rows[len(rows)-1]
	}
	f.at = at
	f.heard(Heard{At: at, All: true})
	return len(rows) == mostChanges, nil
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

// tell puts rows in the words of those who follow.
func (f *follower) tell(rows []read.Change) Heard {
	h := Heard{At: f.at}
	for _, row := range rows {
		if row.Node == f.node {
			continue
		}
		t := Touched{Made: time.UnixMilli(row.Time)}
		if json.Unmarshal([]byte(row.Touched), &t.IDs) != nil {
			h.All = true // "" among them
		}
		h.Changes = append(h.Changes, t)
	}
	return h
}

// wait returns when there may be news, or an error if the connection has broken.
func (f *follower) wait(ctx context.Context, conn *sql.Conn) error {
	if !f.shared.listens {
		pause(ctx, poll)
		return ctx.Err()
	}
	waiting, cancel := context.WithTimeout(ctx, poll)
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

// pause waits for some time or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
