package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxTouched is the most ids that a row of the change log names. A change that
// touches more is logged as one that touches everything.
const maxTouched = 4096

// lineOfNodes is the advisory lock by which nodes take turns. PostgreSQL hands it to
// the node that has waited longest. The lock on the heads alone lets a node that has
// just committed overtake those that wait; it is what makes changes serial, on every
// server that speaks the protocol.
const lineOfNodes = "5496023347215466"

// postgresWriter is the writerConn of a node that shares the database. A
// transaction begins by locking the heads of the logs, so that one node at a time
// changes anything; each later statement sees everything committed before (READ
// COMMITTED). After the connection breaks, the next transaction opens a new one.
type postgresWriter struct {
	shared *postgres
	node   string
	conn   *sql.Conn // nil until the next transaction
	tx     *Tx       // on the pipeline of the connection
	ahead  *rehearsal
	end    func() error // closes what database/sql has of the two
}

// limits keeps groups small, because other nodes wait while one is written.
func (s *postgresWriter) limits() limits {
	return limits{
		group: 64, ahead: 64, rehearsal: 10 * time.Millisecond, groupTime: 50 * time.Millisecond,
		waitFor: 5 * time.Second, retryFor: 5 * time.Second,
	}
}

func (s *postgresWriter) begin(ctx context.Context) (*Tx, error) {
	before := s.conn
	if err := s.connect(ctx); err != nil {
		s.abandon()
		return nil, err
	}
	at, err := s.lockHeads(ctx)
	if err != nil {
		// An old connection can be to a primary that is none any longer.
		if IsReadOnly(err) && s.conn != before && len(s.shared.dialer.hosts) == 1 {
			err = fmt.Errorf("%w: %w", errReadOnly, err)
		}
		s.abandon()
		return nil, err
	}
	if known := s.shared.committed.Load(); at.changes < known {
		s.shared.wentBack.Store(&loss{known - at.changes, at.changes})
	}
	s.tx.pipeline.reset()
	s.tx.start(at)
	return s.tx, nil
}

// lockHeads begins a transaction and locks the heads, in one round trip.
func (s *postgresWriter) lockHeads(ctx context.Context) (at head, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	text := s.shared.begin
	if s.shared.queues {
		text += "; SELECT pg_advisory_xact_lock(" + lineOfNodes + ")"
	}
	text += "; SELECT changes, audit FROM heads WHERE id = 1 FOR UPDATE"
	err = s.conn.Raw(func(c any) error {
		results, err := c.(*stdlib.Conn).Conn().PgConn().Exec(ctx, text).ReadAll()
		if err != nil {
			return err
		}
		rows := results[len(results)-1].Rows
		if len(rows) != 1 {
			return errors.New("the table heads has no row")
		}
		var err2 error
		at.changes, err = strconv.ParseInt(string(rows[0][0]), 10, 64)
		at.audit, err2 = strconv.ParseInt(string(rows[0][1]), 10, 64)
		return errors.Join(err, err2)
	})
	return at, err
}

func (s *postgresWriter) connect(ctx context.Context) error {
	if s.conn != nil && s.current() && s.state() != 0 {
		return nil
	}
	s.abandon()
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	conn, err := s.shared.dedicated.Conn(ctx)
	for noneToSpare(err) && ctx.Err() == nil {
		sleep(ctx, spareInterval)
		conn, err = s.shared.dedicated.Conn(ctx)
	}
	if err != nil {
		return err
	}
	s.conn = conn
	return s.open(ctx)
}

// open makes the transactions on the connection.
func (s *postgresWriter) open(ctx context.Context) error {
	p := newPipeline(func(work func(*pgx.Conn) error) error {
		return s.conn.Raw(func(c any) error { return work(c.(*stdlib.Conn).Conn()) })
	})
	s.ahead = &rehearsal{p: p, written: map[string]bool{}}
	live, rehearsed := sql.OpenDB(connector{p}), sql.OpenDB(connector{s.ahead})
	s.end = func() error { return errors.Join(live.Close(), rehearsed.Close()) }
	conn, err := live.Conn(ctx)
	conn2, err2 := rehearsed.Conn(ctx)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	s.tx, s.ahead.tx = newTx(conn, s.shared.dedicated), newTx(conn2, s.shared.dedicated)
	s.tx.pipeline = p
	s.ahead.tx.rehearsal = true
	return nil
}

func (s *postgresWriter) prefetch(tx *Tx, jobs []*job, most time.Duration) error {
	return s.ahead.prefetch(context.Background(), tx.head, jobs, most)
}

// broken is true after a failed statement: PostgreSQL rejects all that follow it,
// and COMMIT then means ROLLBACK. The driver knows the state without a round trip.
func (s *postgresWriter) broken() bool { return s.state() != 'T' }

// state is the state of the transaction as in the protocol, or 0 if the connection is closed.
func (s *postgresWriter) state() (state byte) {
	_ = s.conn.Raw(func(c any) error {
		if conn := c.(*stdlib.Conn).Conn().PgConn(); !conn.IsClosed() {
			state = conn.TxStatus()
		}
		return nil
	})
	return state
}

// The texts that end a transaction; they travel together.
const (
	insertChange = "INSERT INTO changes (seq, node, time, touched) VALUES ($1, $2, $3, $4)"
	setHeads     = "UPDATE heads SET changes = $1, audit = $2 WHERE id = 1"
	notify       = "NOTIFY latchkey_changes"
)

// commit sends the writes that are queued, writes the row of the change log and commits, in
// one round trip.
func (s *postgresWriter) commit(ctx context.Context, begun head) error {
	if !s.current() {
		return errOldPrimary
	}
	all := s.tx.pipeline.queued()
	queued := len(all)
	add := func(text string, args ...any) {
		all = append(all, &statement{text: text, args: args})
	}
	changed := len(s.tx.touched) > 0
	if changed {
		s.tx.head.changes++
		add(insertChange, s.tx.head.changes, s.node, time.Now().UnixMilli(), idList(s.tx.touched))
	}
	if s.tx.head != begun {
		add(setHeads, s.tx.head.changes, s.tx.head.audit)
	}
	if changed && s.shared.listens {
		add(notify)
	}
	add("COMMIT")
	done, err := s.tx.pipeline.exchange(ctx, all)
	// With class 08 a pooler says that it lost the server, which may have committed.
	state := sqlState(err)
	certain := err != nil && done < len(all)-1 && state != "" && state != "40003" &&
		!strings.HasPrefix(state, "08")
	switch {
	case certain && done < queued:
		return fmt.Errorf("%w: %w", errQueued, err)
	case certain:
		return err // of a statement before COMMIT: it is certain to roll back
	case err != nil:
		return commitError(err)
	}
	s.shared.committed.Store(s.tx.head.changes)
	return nil
}

// current reports whether the connection is to the primary that was promoted last.
func (s *postgresWriter) current() bool {
	current := false
	err := s.conn.Raw(func(c any) error {
		current = s.shared.fence.current(c.(*stdlib.Conn).Conn())
		return nil
	})
	return err == nil && current
}

// idList encodes ids as a JSON list without duplicates, or "" if there are more
// than maxTouched.
func idList(ids []string) string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > maxTouched {
		return ""
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return "" // never happens to strings; "" is always correct
	}
	return string(text)
}

// abandon closes the connection; the server rolls the transaction back.
func (s *postgresWriter) abandon() {
	_ = s.close() // the transaction is lost either way
}

func (s *postgresWriter) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	err = errors.Join(err, s.end())
	s.conn, s.tx, s.ahead = nil, nil, nil
	return err
}
