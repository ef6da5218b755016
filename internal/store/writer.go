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

// session is how a node writes: the connection and what a transaction begins
// and ends with. Only the writer uses it.
type session interface {
	limits() limits
	// begin waits for this node's turn and begins a transaction. An error
	// leaves none open.
	begin(context.Context) (*Tx, error)
	// broken reports whether the transaction can't be gone on with, because of a
	// statement that failed in it.
	broken() bool
	// commit notes how far the logs have come, if that is further than when the
	// transaction began, and commits.
	commit(ctx context.Context, begun head) error
	// abandon undoes the transaction, whatever state it is in.
	abandon()
	close() error
}

// limits is what a writer keeps to.
type limits struct {
	group    int           // the most changes that share a commit
	patience time.Duration // how long a change is tried again; zero for once
}

// writer owns the one connection of this node that writes. Changes that arrive
// while a commit waits for the disk are put into the next one together: a group
// commit, so that many callers share the price of one fsync.
type writer struct {
	session session
	limits
	jobs chan *job

	mu     sync.RWMutex // held for reading while a job is handed over
	closed bool
	done   chan struct{}
}

// job is one change.
type job struct {
	claim
	work   func(context.Context, *Tx) error
	since  time.Time
	result error // of the last time that work ran
}

// Update runs work in a transaction and returns once its changes are on disk.
// An error undoes what work did and nothing else. All changes of all nodes are
// serial: while work runs, no other work does, here or elsewhere.
//
// Work must be quick, must not call Update, and must tolerate that its context
// no longer ends: a change that has begun is finished. It may run more than
// once, each time on a transaction that knows nothing of the times before:
// because a change that shared the commit failed, and on PostgreSQL, for about
// 5 s, because the connection or the turn was lost before the commit was sent.
// So what work leaves outside the transaction must be what its last run left.
//
// If the answer to the commit is lost, the error is [ErrUnknownOutcome], and
// the change is there or not.
func (db *DB) Update(ctx context.Context, work func(ctx context.Context, tx *Tx) error) error {
	j := &job{claim: newClaim(ctx), work: work, since: time.Now()}
	if err := db.writer.hand(j); err != nil {
		return err
	}
	return j.await()
}

func startWriter(s session) *writer {
	l := s.limits()
	w := &writer{session: s, limits: l, jobs: make(chan *job, l.group), done: make(chan struct{})}
	go w.run()
	return w
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
	return w.session.close()
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.jobs {
		// Whoever is ready to run gets in line first. A lone caller doesn't notice;
		// where the processors are busy, the groups are larger and the commits
		// fewer: a tenth less processor time for a spend over HTTP.
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
		w.persist(slices.DeleteFunc(group, w.late))
	}
}

// late refuses a job that has waited for its turn as long as one is tried, so
// that nobody waits longer the more others wait.
func (w *writer) late(j *job) bool {
	if w.patience == 0 || time.Since(j.since) < w.patience {
		return false
	}
	j.finish(fmt.Errorf("%w: no turn in %v", errUnavailable, w.patience))
	return true
}

// persist commits a group and reports to each job. What is lost before the
// commit was sent is tried again, as long as the oldest job is young enough.
func (w *writer) persist(group []*job) {
	for pause := 2 * time.Millisecond; len(group) > 0; pause = min(2*pause, 250*time.Millisecond) {
		err := w.transact(group)
		if err == nil || !worthRepeating(err) || time.Since(group[0].since)+pause > w.patience {
			report(group, err)
			return
		}
		forget(group)
		time.Sleep(pause/2 + rand.N(pause))
		group = slices.DeleteFunc(group, gone)
	}
}

// forget makes the jobs of a group as if they had never run.
func forget(group []*job) {
	for _, j := range group {
		j.undo()
		j.result = nil
	}
}

// report tells each job of a group what came of it. If the transaction failed,
// every job has: what one found may have been the work of another.
func report(group []*job, err error) {
	if err != nil && isConflict(err) {
		err = fmt.Errorf("%w: %w", errUnavailable, err)
	}
	for _, j := range group {
		j.finish(cmp.Or(err, j.result))
	}
}

// gone lets a job go whose caller has gone.
func gone(j *job) bool {
	err := j.ctx.Err()
	if err != nil {
		j.finish(err)
	}
	return err != nil
}

// worthRepeating reports whether a transaction that failed may succeed when it
// is begun anew.
func worthRepeating(err error) bool {
	return !errors.Is(err, ErrUnknownOutcome) && (IsUnavailable(err) || isConflict(err))
}
