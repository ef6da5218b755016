package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// writerConn is the connection that a node writes on. Only the writer uses it.
type writerConn interface {
	limits() limits
	// begin waits for this node's turn and begins a transaction. An error
	// leaves none open.
	begin(context.Context) (*Tx, error)
	// prefetch fetches what jobs will read. An error leaves the transaction broken.
	prefetch(tx *Tx, jobs []*job, most time.Duration) error
	// broken reports whether a failed statement has ended the transaction.
	broken() bool
	// commit saves the heads of the logs, if they moved since the transaction
	// began, and commits.
	commit(ctx context.Context, begun head) error
	// abandon rolls the transaction back, whatever its state.
	abandon()
	close() error
}

// limits are the bounds of a writer.
type limits struct {
	group int // the most changes in one commit
	ahead int // the most changes that are prefetched for at once
	// rehearsal is how long they are rehearsed, without the round trips: other nodes wait.
	rehearsal time.Duration
	// groupTime is when a group takes no more changes: those that wait then, on this
	// node and on others, wait for the rest of one change and a commit.
	groupTime time.Duration
	waitFor   time.Duration // how long a change waits for its turn
	retryFor  time.Duration // how long a change is retried; zero for no retries
}

// writer owns the one connection of this node that writes. Changes that arrive
// while a commit waits for the disk go into the next commit together: a group
// commit, in which many callers share one fsync. Workspaces take turns.
type writer struct {
	writerConn writerConn
	limits
	queue    *queue
	failures memory // of which a change had to be rolled back
	done     chan struct{}
}

// job is one change.
type job struct {
	claim
	turn   Turn
	work   func(context.Context, *Tx) error
	since  time.Time
	result error // of the last run of work
}

// Update makes a change of the service itself: see [DB.UpdateFor].
func (db *DB) Update(ctx context.Context, work func(ctx context.Context, tx *Tx) error) error {
	return db.UpdateFor(ctx, Turn{}, work)
}

// UpdateFor runs work in a transaction and returns once its changes are on disk.
// An error undoes what work did and nothing else. All changes of all nodes are
// serial: while work runs, no other work does, here or elsewhere. The turn says whose
// change it is, so that no workspace waits for more than one change of each other
// one; [ErrBusy] means that too many of this workspace wait.
//
// Work must be quick and must not call UpdateFor. When ctx ends, its next statement
// fails; statements and commits aren't interrupted. Work can run more than once, each
// time in a new transaction: because another change in the same commit failed, or, on
// PostgreSQL and for about 5 s, because the connection or the lock was lost before
// the commit was sent. So only the last run may have effects outside the
// transaction, and it is never one of which [Tx.Rehearsed] is true.
//
// If the response to the commit is lost, the error is [ErrUnknownOutcome]: the
// change was made or not.
func (db *DB) UpdateFor(
	ctx context.Context, turn Turn, work func(ctx context.Context, tx *Tx) error,
) error {
	j := &job{claim: newClaim(ctx), turn: turn, work: work, since: time.Now()}
	if err := db.writer.queue.add(j); err != nil {
		return err
	}
	return j.await()
}

func startWriter(s writerConn) *writer {
	w := &writer{writerConn: s, limits: s.limits(), queue: newQueue(), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) close() error {
	if !w.queue.close() {
		return nil
	}
	<-w.done
	return w.writerConn.close()
}

func (w *writer) run() {
	defer close(w.done)
	for w.queue.wait() {
		// Let ready goroutines queue first. A single caller doesn't notice; on busy
		// processors groups are larger and commits fewer, which saves a tenth of the
		// CPU time of a spend over HTTP.
		runtime.Gosched()
		w.persist()
	}
}

// persist commits a group and gives each job its result. A transaction lost before
// its commit was sent is retried while the oldest job is younger than retryFor.
func (w *writer) persist() {
	for delay := 2 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
		group, err := w.transact()
		if err != nil && len(group) == 0 {
			group = w.waiting() // none ran, because no transaction began
		}
		if err == nil || !worthRetrying(err) || age(group)+delay > w.retryFor {
			finishAll(group, err)
			return
		}
		reset(group)
		time.Sleep(delay/2 + rand.N(delay))
		if group = slices.DeleteFunc(group, callerLeft); len(group) == 0 {
			return
		}
		w.queue.retry(group)
	}
}

// next returns the next job whose caller still waits, or nil: one that isn't likely to be
// heavy, if that is asked for. It fails jobs that have waited for too long.
func (w *writer) next(light bool) *job {
	for j := w.queue.take(light); j != nil; j = w.queue.take(light) {
		switch waited := time.Since(j.since); {
		case callerLeft(j):
		case waited > w.waitFor:
			j.finish(fmt.Errorf("%w within %v", errNoTurn, w.waitFor))
		default:
			return j
		}
	}
	return nil
}

// waiting returns the jobs that wait, as many as a group has.
func (w *writer) waiting() []*job {
	var group []*job
	for len(group) < w.group {
		j := w.next(false)
		if j == nil {
			break
		}
		group = append(group, j)
	}
	return group
}

// age is how long the oldest job of a group has waited.
func age(group []*job) (oldest time.Duration) {
	for _, j := range group {
		oldest = max(oldest, time.Since(j.since))
	}
	return oldest
}

// reset returns the jobs of a group to their state before they ran.
func reset(group []*job) {
	for _, j := range group {
		j.undo()
		j.result = nil
	}
}

// finishAll gives each job of a group its result. If the transaction failed, every
// job failed: one may have read what another wrote.
func finishAll(group []*job, err error) {
	if err != nil && isConflict(err) {
		err = fmt.Errorf("%w: %w", errUnavailable, err)
	}
	for _, j := range group {
		j.finish(cmp.Or(err, j.result))
	}
}

// callerLeft finishes a job whose caller no longer waits.
func callerLeft(j *job) bool {
	err := j.ctx.Err()
	if err != nil {
		j.finish(err)
	}
	return err != nil
}

// worthRetrying reports whether a failed transaction may succeed if it is retried.
func worthRetrying(err error) bool {
	return !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, errReadOnly) &&
		(IsUnavailable(err) || isConflict(err))
}
