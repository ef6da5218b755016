package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
)

// writerConn is the connection that a node writes on. Only the writer uses it.
type writerConn interface {
	limits() limits
	// begin waits for this node's turn and begins a transaction. An error
	// leaves none open.
	begin(context.Context) (*Tx, error)
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
	group    int           // the most changes in one commit
	retryFor time.Duration // how long a change is retried; zero for no retries
}

// writer owns the one connection of this node that writes. Changes that arrive
// while a commit waits for the disk go into the next commit together: a group
// commit, in which many callers share one fsync.
type writer struct {
	writerConn writerConn
	limits
	jobs chan *job

	mu     sync.RWMutex // held for reading while a job is queued
	closed bool
	done   chan struct{}
}

// job is one change.
type job struct {
	claim
	work   func(context.Context, *Tx) error
	since  time.Time
	result error // of the last run of work
}

// Update runs work in a transaction and returns once its changes are on disk.
// An error undoes what work did and nothing else. All changes of all nodes are
// serial: while work runs, no other work does, here or elsewhere.
//
// Work must be quick and must not call Update. Its context no longer ends: a
// change that has begun is finished. Work can run more than once, each time in a
// new transaction: because another change in the same commit failed, or, on
// PostgreSQL and for about 5 s, because the connection or the lock was lost before
// the commit was sent. So only the last run may have effects outside the
// transaction.
//
// If the response to the commit is lost, the error is [ErrUnknownOutcome]: the
// change was made or not.
func (db *DB) Update(ctx context.Context, work func(ctx context.Context, tx *Tx) error) error {
	j := &job{claim: newClaim(ctx), work: work, since: time.Now()}
	if err := db.writer.enqueue(j); err != nil {
		return err
	}
	return j.await()
}

func startWriter(s writerConn) *writer {
	l := s.limits()
	w := &writer{writerConn: s, limits: l, jobs: make(chan *job, l.group), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) enqueue(j *job) error {
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
	return w.writerConn.close()
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.jobs {
		// Let ready goroutines queue first. A single caller doesn't notice; on busy
		// processors groups are larger and commits fewer, which saves a tenth of the
		// CPU time of a spend over HTTP.
		runtime.Gosched()
		group := append(make([]*job, 0, w.group), first)
		for more := true; more && len(group) < w.group; {
			select {
			case j, ok := <-w.jobs:
				if more = ok; ok {
					group = append(group, j)
				}
			default:
				more = false
			}
		}
		w.persist(slices.DeleteFunc(group, w.expired))
	}
}

// expired fails a job that has waited in the queue for retryFor, so that a long
// queue can't extend the wait.
func (w *writer) expired(j *job) bool {
	if w.retryFor == 0 || time.Since(j.since) < w.retryFor {
		return false
	}
	j.finish(fmt.Errorf("%w: no write lock within %v", errUnavailable, w.retryFor))
	return true
}

// persist commits a group and gives each job its result. A transaction lost before
// its commit was sent is retried while the oldest job is younger than retryFor.
func (w *writer) persist(group []*job) {
	for delay := 2 * time.Millisecond; len(group) > 0; delay = min(2*delay, 250*time.Millisecond) {
		err := w.transact(group)
		if err == nil || !worthRetrying(err) || time.Since(group[0].since)+delay > w.retryFor {
			finishAll(group, err)
			return
		}
		reset(group)
		time.Sleep(delay/2 + rand.N(delay))
		group = slices.DeleteFunc(group, callerLeft)
	}
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
	return !errors.Is(err, ErrUnknownOutcome) && (IsUnavailable(err) || isConflict(err))
}
