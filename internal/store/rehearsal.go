package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"
)

const (
	// maxRehearsals is how often a change is rehearsed: how many reads one after the other
	// are prefetched.
	maxRehearsals = 6
	// maxPrefetchArgs is how many arguments a read can have that is prefetched.
	maxPrefetchArgs = 64
)

// errRehearsed ends a change that is rehearsed.
var errRehearsed = errors.New("a rehearsal ends here")

// rehearsal runs changes to find out what they read, so that one round trip fetches that
// for all of them. Nothing that they write is sent. It is the connection of the
// transaction that they get.
type rehearsal struct {
	notPrepared
	p       *pipeline
	tx      *Tx
	written map[string]bool // the tables that the change under way writes to
	missed  bool            // whether it has read something that isn't known
}

// prefetch fetches what changes will read, as far as that doesn't depend on what they write.
func (r *rehearsal) prefetch(
	ctx context.Context, at head, jobs []*job, most time.Duration,
) error {
	if len(jobs) < 2 {
		return nil // it takes as many round trips either way
	}
	end := time.Now().Add(most)
	for range maxRehearsals {
		clear(r.p.missing)
		jobs = r.rehearse(at, jobs, end)
		asked := time.Now()
		if err := r.p.fetch(ctx, r.p.missing); err != nil || len(jobs) == 0 {
			return err
		}
		end = end.Add(time.Since(asked))
	}
	return nil
}

// rehearse rehearses changes until an end, and returns those that miss something.
func (r *rehearsal) rehearse(at head, jobs []*job, end time.Time) (missing []*job) {
	for _, j := range jobs {
		if time.Now().After(end) {
			return nil
		}
		if r.misses(at, j) {
			missing = append(missing, j)
		}
	}
	return missing
}

// misses rehearses a change, and reports whether it read something that isn't known. Its
// caller can't leave meanwhile.
func (r *rehearsal) misses(at head, j *job) bool {
	if !j.begin() {
		return false
	}
	defer j.undo()
	clear(r.written)
	r.missed = false
	r.tx.start(at)
	r.tx.caller = j.ctx
	_ = protect(context.WithoutCancel(j.ctx), r.tx, j.work) // its result doesn't count
	r.tx.caller = nil
	return r.missed
}

// ExecContext notes what is written to.
func (r *rehearsal) ExecContext(
	_ context.Context, text string, args []driver.NamedValue,
) (driver.Result, error) {
	for _, table := range r.p.statement(text, args).means.writesTo {
		r.written[table] = true
	}
	return unknownResult{}, nil
}

// QueryContext returns the result of a read if it is known. Otherwise it ends the rehearsal.
func (r *rehearsal) QueryContext(
	_ context.Context, text string, args []driver.NamedValue,
) (driver.Rows, error) {
	s := r.p.statement(text, args)
	if len(s.means.writesTo) > 0 || len(args) > maxPrefetchArgs {
		return nil, errRehearsed
	}
	for table := range r.written {
		if s.means.words[table] {
			return nil, errRehearsed
		}
	}
	key := s.key()
	if known := r.p.result(key); known != nil {
		return &knownRows{known.columns, known.rows}, nil
	}
	r.p.missing[key] = s
	r.missed = true
	return nil, errRehearsed
}

// unknownResult is the result of a write that isn't sent.
type unknownResult struct{}

// LastInsertId is part of [driver.Result].
func (unknownResult) LastInsertId() (int64, error) { return 0, errors.ErrUnsupported }

// RowsAffected ends the rehearsal.
func (unknownResult) RowsAffected() (int64, error) { return 0, errRehearsed }
