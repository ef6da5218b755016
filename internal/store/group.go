package store

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"time"
)

// transact runs a group in one transaction and returns it. It begins with what waits
// and takes what arrives meanwhile, until the group is full or has used its time. A
// job that fails is rolled back alone.
//
// Jobs rarely fail after a write, so they have no savepoints at first. That saves two
// statements for each job: on PostgreSQL two round trips during which all nodes
// wait, on SQLite the page copies of a savepoint. Only if a write must be rolled
// back does the whole group run again, between savepoints. The next jobs of the
// workspace that caused it have savepoints from the start, so that it can't make the
// jobs of others run twice again and again.
func (w *writer) transact() (group []*job, err error) {
	ctx := context.Background()
	tx, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	begun := tx.head
	group, whole, err := w.runGroup(tx)
	if err == nil && !whole {
		reset(group)
		// An error means that SQLite already rolled back, or that the connection
		// broke, which begin detects.
		_ = tx.exec(ctx, "ROLLBACK")
		if tx, err = w.begin(ctx); err != nil {
			return group, err
		}
		begun = tx.head
		err = runBetweenSavepoints(tx, group)
	}
	if err == nil {
		err = w.commit(ctx, tx, begun)
	}
	if err != nil {
		w.writerConn.abandon()
	}
	return group, err
}

func (w *writer) begin(ctx context.Context) (*Tx, error) {
	tx, err := w.writerConn.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: begin: %w", err)
	}
	return tx, nil
}

func (w *writer) commit(ctx context.Context, tx *Tx, begun head) error {
	if err := tx.writeCounts(ctx); err != nil {
		return fmt.Errorf("store: counts: %w", err)
	}
	if err := w.writerConn.commit(ctx, begun); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

// heavy is the weight of a change, in rows, above which its workspace's changes wait in a
// lane of their own.
const heavy = 32

// runGroup takes jobs and runs them. It reports whether the transaction can be
// committed: no job without savepoints failed after a write, and no failed statement
// ended the transaction. A heavy change ends the group, and none joins changes of other
// lanes, which would wait for it.
func (w *writer) runGroup(tx *Tx) (group []*job, whole bool, err error) {
	light := false
	for began := time.Now(); len(group) < w.group; {
		j := w.next(light)
		if j == nil {
			break
		}
		group = append(group, j)
		light = light || j.turn.Lane != bulk
		tx.weight = 0
		if w.failures.recent(j.turn.Workspace) {
			if err := attempt(tx, j); err != nil {
				return group, false, err
			}
		} else if whole, err := w.runPlain(tx, j); err != nil || !whole {
			w.failures.add(j.turn.Workspace)
			return group, false, err
		}
		if tx.weight > heavy {
			w.queue.slow(j.turn.Workspace)
			break
		}
		if time.Since(began) > w.groupTime {
			break
		}
	}
	return group, true, nil
}

// runPlain runs a job without savepoints and reports whether the transaction can
// continue.
func (w *writer) runPlain(tx *Tx, j *job) (whole bool, err error) {
	before := tx.mark()
	tx.wrote = false
	j.run(tx)
	switch {
	case isConflict(j.result):
		return false, j.result
	case w.writerConn.broken(), j.result != nil && tx.wrote:
		return false, nil
	case j.result != nil:
		tx.undo(before)
	}
	return true, nil
}

// memory has workspaces of which something is remembered for a while, and since when. The
// zero value has none.
type memory map[string]time.Time

// rememberedFor is how long the changes of a workspace have savepoints after one had to be
// rolled back, and how long they are taken for heavy after one was.
const rememberedFor = 10 * time.Second

func (m *memory) add(workspace string) {
	now := time.Now()
	maps.DeleteFunc(*m, func(_ string, at time.Time) bool { return now.Sub(at) > rememberedFor })
	if *m == nil {
		*m = memory{}
	}
	(*m)[workspace] = now
}

func (m memory) recent(workspace string) bool {
	at, known := m[workspace]
	return known && time.Since(at) <= rememberedFor
}

// run runs the job unless its caller left. When the caller leaves meanwhile, the next
// statement fails. None is interrupted: SQLite would roll back the whole transaction.
func (j *job) run(tx *Tx) {
	if !j.begin() {
		j.result = j.ctx.Err()
		return
	}
	tx.caller = j.ctx
	j.result = protect(context.WithoutCancel(j.ctx), tx, j.work)
	tx.caller = nil
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
	before := tx.mark()
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
	tx.undo(before)
	if err := tx.exec(ctx, "ROLLBACK TO SAVEPOINT job"); err != nil {
		return fmt.Errorf("store: undo: %w", err)
	}
	return tx.exec(ctx, "RELEASE SAVEPOINT job")
}
