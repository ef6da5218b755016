package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// batch is how many changes share one commit at most.
const batch = 256

// writer owns the one connection that writes. Changes that arrive while a
// commit waits for the disk are put into the next one together: a group
// commit, so that many callers share the price of one fsync.
type writer struct {
	conn *sql.Conn
	tx   *Tx
	jobs chan *job

	mu     sync.RWMutex // held for reading while a job is handed over
	closed bool
	done   chan struct{}
}

// job is one change and, once done is closed, its outcome.
type job struct {
	ctx  context.Context
	work func(context.Context, *Tx) error
	err  error
	done chan struct{}
}

// Update runs work in a transaction and returns once its changes are on disk.
// An error undoes what work did and nothing else. Work must be quick, must not
// call Update, and must tolerate that its context no longer ends: a change that
// has begun is finished.
func (db *DB) Update(ctx context.Context, work func(ctx context.Context, tx *Tx) error) error {
	j := &job{ctx: ctx, work: work, done: make(chan struct{})}
	if err := db.writer.hand(j); err != nil {
		return err
	}
	<-j.done
	return j.err
}

func startWriter(ctx context.Context, pool *sql.DB) (*writer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := prepare(conn)
	w := &writer{
		conn: conn,
		tx:   &Tx{reads: read.New(s), writes: write.New(s), statements: s},
		jobs: make(chan *job, batch),
		done: make(chan struct{}),
	}
	go w.run()
	return w, nil
}

func (w *writer) hand(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.done
	err := w.exec(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, w.tx.statements.close(), w.conn.Close())
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.jobs {
		group := append(make([]*job, 0, batch), first)
		for more := true; more && len(group) < batch; {
			select {
			case j, ok := <-w.jobs:
				if more = ok; ok {
					group = append(group, j)
				}
			default:
				more = false
			}
		}
		w.commit(group)
	}
}

// commit runs a group in one transaction and reports to each job. A job that
// fails is undone alone; if the transaction itself fails, every job has failed.
func (w *writer) commit(group []*job) {
	if err := w.transact(group); err != nil {
		for _, j := range group {
			if j.err == nil {
				j.err = err
			}
		}
	}
	for _, j := range group {
		close(j.done)
	}
}

func (w *writer) transact(group []*job) error {
	ctx := context.Background()
	if err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	for _, j := range group {
		if err := w.attempt(j); err != nil {
			return errors.Join(err, w.exec(ctx, "ROLLBACK"))
		}
	}
	if err := w.exec(ctx, "COMMIT"); err != nil {
		// The disk may be full: SQLite has kept the transaction open or undone it.
		_ = w.exec(ctx, "ROLLBACK")
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

// attempt runs one job between savepoints. It returns an error only if the
// transaction can't go on. The job's context is looked at before, not during:
// SQLite undoes a whole transaction whose statement is interrupted.
func (w *writer) attempt(j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	ctx := context.WithoutCancel(j.ctx)
	if err := w.exec(ctx, "SAVEPOINT job"); err != nil {
		return fmt.Errorf("store: savepoint: %w", err)
	}
	if j.err = w.protect(ctx, j); j.err != nil {
		if err := w.exec(ctx, "ROLLBACK TO job"); err != nil {
			return fmt.Errorf("store: undo: %w", errors.Join(j.err, err))
		}
	}
	return w.exec(ctx, "RELEASE job")
}

// protect turns a panic of one job into its error: the other jobs of the group
// are not to blame.
func (w *writer) protect(ctx context.Context, j *job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a change: %v\n%s", p, debug.Stack())
		}
	}()
	return j.work(ctx, w.tx)
}

func (w *writer) exec(ctx context.Context, text string) error {
	_, err := w.tx.statements.ExecContext(ctx, text)
	return err
}
