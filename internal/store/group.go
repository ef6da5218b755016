package store

import (
	"context"
	"fmt"
	"runtime/debug"
)

// transact runs a group in one transaction. A job that fails is rolled back alone.
//
// Jobs rarely fail after a write, so the first run has no savepoints. That saves two
// statements for each job: on PostgreSQL two round trips during which all nodes
// wait, on SQLite the page copies of a savepoint. Only if a write must be rolled
// back does the whole group run again, between savepoints.
func (w *writer) transact(group []*job) error {
	ctx := context.Background()
	tx, err := w.begin(ctx)
	if err != nil {
		return err
	}
	begun := tx.head
	whole, err := w.runPlain(tx, group)
	if err == nil && !whole {
		reset(group)
		// An error means that SQLite already rolled back, or that the connection
		// broke, which begin detects.
		_ = tx.exec(ctx, "ROLLBACK")
		if tx, err = w.begin(ctx); err != nil {
			return err
		}
		begun = tx.head
		err = runBetweenSavepoints(tx, group)
	}
	if err == nil {
		err = w.commit(ctx, begun)
	}
	if err != nil {
		w.writerConn.abandon()
	}
	return err
}

func (w *writer) begin(ctx context.Context) (*Tx, error) {
	tx, err := w.writerConn.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: begin: %w", err)
	}
	return tx, nil
}

func (w *writer) commit(ctx context.Context, begun head) error {
	if err := w.writerConn.commit(ctx, begun); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

// runPlain runs the jobs of a group and reports whether the transaction can be
// committed: no job failed after a write, and no failed statement ended the
// transaction.
func (w *writer) runPlain(tx *Tx, group []*job) (whole bool, err error) {
	for _, j := range group {
		at, touched := tx.head, len(tx.touched)
		tx.wrote = false
		j.run(tx)
		switch {
		case isConflict(j.result):
			return false, j.result
		case w.writerConn.broken(), j.result != nil && tx.wrote:
			return false, nil
		case j.result != nil:
			tx.head, tx.touched = at, tx.touched[:touched]
		}
	}
	return true, nil
}

// run runs the job unless its caller left. It checks the job's context before, not
// during the run: SQLite rolls back a whole transaction if a statement is
// interrupted.
func (j *job) run(tx *Tx) {
	if !j.begin() {
		j.result = j.ctx.Err()
		return
	}
	j.result = protect(context.WithoutCancel(j.ctx), tx, j.work)
}

// protect turns a panic of one job into its error, so that the other jobs of the
// group go on.
func protect(ctx context.Context, tx *Tx, work func(context.Context, *Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a change: %v\n%s", p, debug.Stack())
		}
	}()
	return work(ctx, tx)
}

func runBetweenSavepoints(tx *Tx, group []*job) error {
	for _, j := range group {
		if err := attempt(tx, j); err != nil {
			return err
		}
	}
	return nil
}

// attempt runs one job between savepoints. It returns an error only if the
// transaction can't go on.
func attempt(tx *Tx, j *job) error {
	ctx := context.Background()
	if err := tx.exec(ctx, "SAVEPOINT job"); err != nil {
		return fmt.Errorf("store: savepoint: %w", err)
	}
	at, touched := tx.head, len(tx.touched)
	if j.run(tx); j.result == nil {
		// PostgreSQL rejects it if a statement failed and work ignored the error.
		j.result = tx.exec(ctx, "RELEASE SAVEPOINT job")
	}
	if j.result == nil {
		return nil
	}
	if isConflict(j.result) {
		return j.result
	}
	tx.head, tx.touched = at, tx.touched[:touched]
	if err := tx.exec(ctx, "ROLLBACK TO SAVEPOINT job"); err != nil {
		return fmt.Errorf("store: undo: %w", err)
	}
	return tx.exec(ctx, "RELEASE SAVEPOINT job")
}
