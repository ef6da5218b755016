package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
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
	tx     *Tx
}

// limits keeps groups small, because other nodes wait while one is written.
func (s *postgresWriter) limits() limits {
	return limits{
		group: 64, groupTime: 50 * time.Millisecond,
		waitFor: 5 * time.Second, retryFor: 5 * time.Second,
	}
}

func (s *postgresWriter) begin(ctx context.Context) (*Tx, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	at, err := s.lockHeads(ctx)
	if err != nil {
		s.abandon()
		return nil, err
	}
	if known := s.shared.committed.Load(); at.changes < known {
		s.shared.wentBack.Store(&loss{known - at.changes, at.changes})
	}
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
	if s.conn != nil && s.current() {
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
	s.conn, s.tx = conn, newTx(timeoutDB{conn}, s.shared.dedicated)
	return nil
}

// broken is true after a failed statement: PostgreSQL rejects all that follow it,
// and COMMIT then means ROLLBACK. The driver knows the state without a round trip.
func (s *postgresWriter) broken() bool {
	whole := false
	err := s.conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn().PgConn()
		whole = conn.TxStatus() == 'T' && !conn.IsClosed()
		return nil
	})
	return err != nil || !whole
}

// The texts that end a transaction; they travel together.
const (
	insertChange = "INSERT INTO changes (seq, node, time, touched) VALUES ($1, $2, $3, $4)"
	setHeads     = "UPDATE heads SET changes = $1, audit = $2 WHERE id = 1"
	notify       = "NOTIFY latchkey_changes"
)

// commit writes the row of the change log and commits, in one round trip.
func (s *postgresWriter) commit(ctx context.Context, begun head) error {
	if !s.current() {
		return errOldPrimary
	}
	batch, before := &pgconn.Batch{}, 0
	add := func(text string, args ...string) {
		values := make([][]byte, len(args))
		for i, arg := range args {
			values[i] = []byte(arg)
		}
		batch.ExecParams(text, values, nil, nil, nil)
		before++
	}
	changed := len(s.tx.touched) > 0
	if changed {
		s.tx.head.changes++
		add(insertChange, strconv.FormatInt(s.tx.head.changes, 10), s.node,
			strconv.FormatInt(time.Now().UnixMilli(), 10), idList(s.tx.touched))
	}
	if s.tx.head != begun {
		add(setHeads, strconv.FormatInt(s.tx.head.changes, 10),
			strconv.FormatInt(s.tx.head.audit, 10))
	}
	if changed && s.shared.listens {
		add(notify)
	}
	batch.ExecParams("COMMIT", nil, nil, nil, nil)
	if err := s.sendCommit(ctx, batch, before); err != nil {
		return err
	}
	s.shared.committed.Store(s.tx.head.changes)
	return nil
}

// sendCommit sends a batch that ends with COMMIT. An error that the server reports of a
// statement before is certain to roll back.
func (s *postgresWriter) sendCommit(ctx context.Context, batch *pgconn.Batch, before int) error {
	ctx, cancel := context.WithTimeout(ctx, roundTripTimeout)
	defer cancel()
	done := 0
	err := s.conn.Raw(func(c any) error {
		results := c.(*stdlib.Conn).Conn().PgConn().ExecBatch(ctx, batch)
		for results.NextResult() {
			if _, err := results.ResultReader().Close(); err == nil {
				done++
			}
		}
		return results.Close()
	})
	if done < before && sqlState(err) != "" && sqlState(err) != "40003" {
		return err
	}
	return commitError(err)
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
	s.conn, s.tx = nil, nil
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}
