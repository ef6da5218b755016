package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// mostTouched is how many ids a row of the change log names. A change that
// touches more is told as one that touches everything.
const mostTouched = 4096

// turn is the session of a node among others. A transaction begins by locking
// the heads of the logs, so that one node at a time changes anything; each
// statement after that sees what was committed before (READ COMMITTED). The
// connection may break at any time; the next turn is taken on a new one.
type turn struct {
	shared *postgres
	node   string
	conn   *sql.Conn // nil: to be made
	tx     *Tx
}

// limits keeps groups small, since other nodes wait while one is written.
func (s *turn) limits() limits { return limits{group: 64, patience: 5 * time.Second} }

func (s *turn) begin(ctx context.Context) (*Tx, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.tx.exec(ctx, "BEGIN"); err != nil {
		s.abandon()
		return nil, err
	}
	at, err := s.tx.LockHeads(ctx)
	if err != nil {
		s.abandon()
		return nil, err
	}
	s.tx.start(head{at.Changes, at.Audit})
	return s.tx, nil
}

func (s *turn) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, trip)
	defer cancel()
	conn, err := s.shared.own.Conn(ctx)
	if err != nil {
		return err
	}
	s.conn, s.tx = conn, newTx(bounded{conn})
	return nil
}

// broken is true after a statement that failed: PostgreSQL refuses all that
// follow it, and COMMIT then means ROLLBACK. The driver knows it without asking.
func (s *turn) broken() bool {
	whole := false
	err := s.conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn().PgConn()
		whole = conn.TxStatus() == 'T' && !conn.IsClosed()
		return nil
	})
	return err != nil || !whole
}

// commit writes what was touched into the change log and commits. What fails
// before the commit is sent is certain to be undone.
func (s *turn) commit(ctx context.Context, begun head) error {
	ending := "COMMIT"
	if len(s.tx.touched) > 0 {
		if err := s.tell(ctx); err != nil {
			return err
		}
		if s.shared.listens {
			ending = "NOTIFY latchkey_changes; COMMIT"
		}
	}
	if s.tx.head != begun {
		if err := s.tx.SetHeads(ctx, s.tx.head.changes, s.tx.head.audit); err != nil {
			return err
		}
	}
	return settled(s.tx.exec(ctx, ending))
}

// tell writes the row of the change log.
func (s *turn) tell(ctx context.Context) error {
	s.tx.head.changes++
	return s.tx.InsertChange(ctx, write.InsertChangeParams{
		Seq: s.tx.head.changes, Node: s.node, Time: time.Now().UnixMilli(), Touched: listed(s.tx.touched),
	})
}

// listed writes ids as a JSON list without repetitions, or "" if they are many.
func listed(ids []string) string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > mostTouched {
		return ""
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return "" // strings can always be written; everything is always true
	}
	return string(text)
}

// abandon gives up the connection; the server undoes what it had begun.
func (s *turn) abandon() {
	_ = s.close() // nothing is lost with it
}

func (s *turn) close() error {
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
