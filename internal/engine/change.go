package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// Change is a change in progress: its transaction, its audit records, and what its
// commit invalidates.
type Change struct {
	tx          *store.Tx
	who         Caller
	now         int64  // unix ms, the same for the whole change
	correlation string // of the audit records
	invalidated []string
	audits      []write.InsertAuditLogParams
	permissions map[string]latchkey.Permission // found or created in it, by folded slug
	checks      []authCheck                    // authorization checks, saved for repeated requests
	secretOf    string                         // id of the key whose secret is in the response
	exceeded    quota                          // what the workspace would have had too many of
	adopts      bool                           // unknown keys of the workspace are asked for elsewhere
}

// invalidate adds ids of cached data that the change alters. The commit
// invalidates them in this node's caches, and the change log in those of other
// nodes.
func (c *Change) invalidate(ids ...string) {
	c.invalidated = append(c.invalidated, ids...)
	c.tx.Touch(ids...)
}

// part is the error of work that has made a part of a request. The part is committed,
// so that the changes of others don't wait for the whole request. Then come the next
// parts, each in a change of its own, and then work runs again to make the rest.
type part struct {
	next []func(context.Context, *Change) error
}

// Error says that the request isn't finished.
func (*part) Error() string { return "a part of the request is made" }

// change runs work in a transaction. Its changes, their audit records and the
// response saved for an Idempotency-Key are committed together or not at all.
// When it returns, no cache of this node has data from before the commit.
//
// A request whose work returns a [part] takes several changes. If one of them fails,
// those before it stay, and a repeated request continues.
//
// The store may run work again after a failed commit, so work must not depend
// on variables that it set outside, or count anything twice: see [once].
func change[T any](
	ctx context.Context, e *Engine, who Caller, work func(context.Context, *Change) (T, error),
) (response T, err error) {
	for {
		var made *part
		response, _, err = changeOnce(ctx, e, who, work)
		if !errors.As(err, &made) {
			return response, err
		}
		for _, next := range made.next {
			if err := e.changePart(ctx, who, next); err != nil {
				return response, err
			}
		}
	}
}

// changePart makes a part of a request. No idempotency record is about it.
func (e *Engine) changePart(
	ctx context.Context, who Caller, work func(context.Context, *Change) error,
) error {
	who.requestHash = ""
	_, _, err := changeOnce(ctx, e, who,
		func(ctx context.Context, c *Change) (latchkey.Empty, error) {
			return latchkey.Empty{}, work(ctx, c)
		})
	return err
}

// changeOnce makes one change of a request. A part is its error. It reports whether the
// response was replayed from an idempotency record, so that work did not run.
func changeOnce[T any](
	ctx context.Context, e *Engine, who Caller, work func(context.Context, *Change) (T, error),
) (response T, replayed bool, err error) {
	var c *Change
	var made *part
	err = e.update(ctx, who.turn(), func(ctx context.Context, tx *store.Tx) error {
		response, made = *new(T), nil
		c = &Change{tx: tx, who: who, now: e.now(), correlation: who.correlation(),
			permissions: map[string]latchkey.Permission{}, adopts: e.adopts(&who)}
		var err error
		replayed, err = e.loadIdempotencyRecord(ctx, c, &response)
		if replayed || err != nil {
			return err
		}
		response, err = work(ctx, c)
		if err != nil && !errors.As(err, &made) {
			return err
		}
		if err := e.writeAuditRecords(ctx, c); err != nil || made != nil {
			return err
		}
		return e.saveIdempotencyRecord(ctx, c, response)
	})
	switch {
	case errors.Is(err, store.ErrUnknownOutcome):
		e.source.Clock.InDoubt(c.invalidated...)
		return *new(T), false, err
	case err != nil:
		if c != nil && c.exceeded != noQuota {
			e.exceeded[c.exceeded].Add(1)
		}
		return *new(T), false, err
	}
	e.source.Clock.Invalidate(c.invalidated...)
	if made != nil {
		return *new(T), false, made
	}
	return response, replayed, nil
}

// change is the function change for work without a response.
func (e *Engine) change(
	ctx context.Context, who Caller, work func(context.Context, *Change) error,
) error {
	_, err := change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Empty, error) {
		return latchkey.Empty{}, work(ctx, c)
	})
	return err
}

// maxRows is how many rows of an unbounded number one change writes, so that other
// changes don't wait for long.
const maxRows = 200

// update runs work in a transaction when it is its turn, unless the circuit breaker
// of the database is open.
func (e *Engine) update(
	ctx context.Context, turn store.Turn, work func(context.Context, *store.Tx) error,
) error {
	return e.source.Breaker.Do(func() error { return e.db.UpdateFor(ctx, turn, work) })
}

// once returns a function that calls count the first time and then returns the
// same result, for work that the store may run again.
func once[T any](count func(context.Context) (T, error)) func(context.Context) (T, error) {
	done := false
	var result T
	var err error
	return func(ctx context.Context) (T, error) {
		if !done {
			result, err = count(ctx)
			done = true
		}
		return result, err
	}
}

// loadIdempotencyRecord loads the response of an earlier request with the same
// Idempotency-Key, and reports whether there is one. It returns an error if
// that request was a different one, or if the caller no longer has the
// permissions that it needed.
func (e *Engine) loadIdempotencyRecord(ctx context.Context, c *Change, response any) (bool, error) {
	if c.who.requestHash == "" {
		return false, nil
	}
	row, err := c.tx.Answer(ctx, c.who.root.id, c.who.IdempotencyKey)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	if row.RequestHash != c.who.requestHash {
		return false, errIdempotencyKeyReused.with(
			"This Idempotency-Key was used for another request. Use a new key for a new request.",
		)
	}
	var checks []authCheck
	if row.Checks != "" {
		if err := json.Unmarshal([]byte(row.Checks), &checks); err != nil {
			return false, fmt.Errorf("idempotency: checks: %w", err)
		}
	}
	if err := c.who.recheck(checks); err != nil {
		return false, err
	}
	wrapped, err := c.tx.DataKey(ctx, cmp.Or(row.DataKey, recordsOwner))
	if err != nil {
		return false, fmt.Errorf("idempotency: data key: %w", err)
	}
	text, err := e.vault.UnsealFor(c.who.token, wrapped, row.Answer,
		c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	if err := json.Unmarshal(text, response); err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	return true, nil
}

// saveIdempotencyRecord saves the response for repeated requests. It can contain the
// secret of a new key, so only the root key and the Idempotency-Key of the request,
// together with the master key, can decrypt it.
func (e *Engine) saveIdempotencyRecord(ctx context.Context, c *Change, response any) error {
	if c.who.requestHash == "" {
		return nil
	}
	text, err := json.Marshal(response)
	if err != nil {
		return err
	}
	checks, err := json.Marshal(c.checks)
	if err != nil {
		return err
	}
	key := e.recordsKey.Load()
	sealed, err := e.vault.SealFor(c.who.token, key.wrapped, text,
		c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	return c.tx.InsertAnswer(ctx, write.InsertAnswerParams{
		RootKeyID: c.who.root.id, IdempotencyKey: c.who.IdempotencyKey,
		RequestHash: c.who.requestHash, Answer: sealed, Checks: string(checks), Subject: c.secretOf,
		CreatedAt: c.now, DataKey: key.id,
	})
}
