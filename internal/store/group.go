package store

import (
	"cmp"
	"context"
	"errors"
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
	if whole {
		err = w.commit(ctx, tx, begun)
		if errors.Is(err, errQueued) && !isConflict(err) {
			whole, err = false, nil
		}
	}
	if err == nil && !whole {
		reset(group)
		tx.rollback(ctx)
		if tx, err = w.begin(ctx); err != nil {
			return group, err
		}
		begun = tx.head
		if err = w.runBetweenSavepoints(tx, group); err == nil {
			err = w.commit(ctx, tx, begun)
		}
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
		if tx.pipeline != nil { // it can be of any queued write
			return fmt.Errorf("%w: %w", errQueued, err)
		}
		return fmt.Errorf("store: counts: %w", err)
	}
	if err := w.writerConn.commit(ctx, begun); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

const (
	// heavy is the weight of a change, in rows, above which its workspace's changes wait in
	// a lane of their own.
	heavy = 32
	// maxWeight is the weight of a group, in rows, above which it takes no more changes.
	maxWeight = 512
)

// runGroup takes jobs and runs them. It reports whether the transaction can be
// committed: no job without savepoints failed after a write, and no failed statement
// ended the transaction. A heavy change ends the group, and none joins changes of other
// lanes, which would wait for it.
func (w *writer) runGroup(tx *Tx) (group []*job, whole bool, err error) {
	var taken []*job
	defer func() { w.queue.putBack(taken) }()
	began, weight := time.Now(), 0
	for running := began; len(group) < w.group && weight <= maxWeight; {
		if time.Since(running) > w.groupTime {
			break
		}
		if len(taken) == 0 {
			if time.Since(began) > w.groupTime {
				break
			}
			if taken = w.take(len(group) > 0 && group[0].turn.Lane != bulk); len(taken) == 0 {
				break
			}
			if err := w.writerConn.prefetch(tx, taken, w.rehearsal); err != nil {
				group, taken = append(group, taken...), nil
				return group, false, conflict(err)
			}
			running = time.Now()
		}
		j := taken[0]
		group, taken = append(group, j), taken[1:]
		tx.weight = 0
		if whole, err := w.runOne(tx, j); err != nil || !whole {
			return group, false, err
		}
		if tx.weight > heavy {
			w.queue.slow(j.turn.Workspace)
			break
		}
		weight += tx.weight
	}
	return group, true, nil
}

// take returns the next jobs, as many as reads are prefetched for at once: either light ones
// or a single one that is likely to be heavy.
func (w *writer) take(light bool) (jobs []*job) {
	for len(jobs) < w.ahead {
		j := w.next(light)
		if j == nil {
			break
		}
		jobs = append(jobs, j)
		if j.turn.Lane == bulk {
			break
		}
		light = true
	}
	return jobs
}

// conflict returns an error if the group must run again because of it, and nil if the
// server's next word on the transaction is enough.
func conflict(err error) error {
	if isConflict(err) {
		return err
	}
	return nil
}

// runOne runs a job, between savepoints if one of its workspace had to be rolled back a
// moment ago. It reports whether the transaction can continue.
func (w *writer) runOne(tx *Tx, j *job) (whole bool, err error) {
	if !w.failures.recent(j.turn.Workspace) {
		return w.runPlain(tx, j)
	}
	// The writes of others come before the savepoint.
	if err := tx.flush(context.Background()); err != nil {
		return false, conflict(err)
	}
	return true, w.attempt(tx, j)
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
	case w.writerConn.broken():
		return false, nil // because of this job or of a write of an earlier one
	case j.result != nil && !tx.inMemory(before):
		w.failures.add(j.turn.Workspace)
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

func (w *writer) runBetweenSavepoints(tx *Tx, group []*job) error {
	for _, j := range group {
		if err := w.attempt(tx, j); err != nil {
			return err
		}
	}
	return nil
}

// attempt runs one job between savepoints. It returns an error only if the
// transaction can't go on.
func (w *writer) attempt(tx *Tx, j *job) error {
	ctx := context.Background()
	before := tx.mark()
	if err := cmp.Or(tx.exec(ctx, "SAVEPOINT job"), tx.flush(ctx)); err != nil {
		return fmt.Errorf("store: savepoint: %w", err)
	}
	tx.wrote = false
	if j.run(tx); j.result == nil {
		// PostgreSQL rejects it if a statement failed and work ignored the error.
		j.result = cmp.Or(tx.exec(ctx, "RELEASE SAVEPOINT job"), tx.flush(ctx))
	}
	if j.result == nil {
		return nil
	}
	if isConflict(j.result) {
		return j.result
	}
	if tx.wrote {
		w.failures.add(j.turn.Workspace)
	}
	tx.undo(before)
	if err := tx.exec(ctx, "ROLLBACK TO SAVEPOINT job"); err != nil {
		return fmt.Errorf("store: undo: %w", err)
	}
	if w.writerConn.broken() { // until the undoing is sent, nothing else can be prepared
		if err := tx.flush(ctx); err != nil {
			return fmt.Errorf("store: undo: %w", err)
		}
	}
	return tx.exec(ctx, "RELEASE SAVEPOINT job")
}
