package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// Change is one change under way: a transaction, and what must happen with it.
type Change struct {
	tx          *store.Tx
	who         Caller
	now         int64  // unix ms, one instant for the whole change
	correlation string // the correlation id of the audit records
	invalidated []string
	audits      []write.InsertAuditLogParams
	checks      []authCheck // what was asked about the caller
}

// touch notes the ids of what the change alters, so that nothing read of them
// before is used after it: here as soon as it is committed, on other nodes once
// they hear of it.
func (c *Change) invalidate(ids ...string) {
	c.invalidated = append(c.invalidated, ids...)
	c.tx.Touch(ids...)
}

// change makes a change: work, its audit records and the answer replayed for an
// Idempotency-Key are committed together, or not at all. It returns after the
// commit, when no memory of this node holds what was before.
//
// The store may run work again if a commit comes to nothing, so work must not
// rely on what it did to variables outside of it, or count anything twice: see
// [once].
func change[T any](ctx context.Context, e *Engine, who Caller, work func(context.Context, *Change) (T, error)) (T, error) {
	answer, _, err := changeOnce(ctx, e, who, work)
	return answer, err
}

// changeOnce is change, and reports whether the answer is one that was replayed for an
// Idempotency-Key: then nothing was done.
func changeOnce[T any](
	ctx context.Context, e *Engine, who Caller, work func(context.Context, *Change) (T, error),
) (answer T, replayed bool, err error) {
	var c *Change
	err = e.update(ctx, who.turn(), func(ctx context.Context, tx *store.Tx) error {
		answer = *new(T)
		c = &Change{tx: tx, who: who, now: e.now(), correlation: who.correlation()}
		var err error
		if replayed, err = e.loadIdempotencyRecord(ctx, c, &answer); replayed || err != nil {
			return err
		}
		if answer, err = work(ctx, c); err != nil {
			return err
		}
		if err := e.writeAuditRecords(ctx, c); err != nil {
			return err
		}
		return e.saveIdempotencyRecord(ctx, c, answer)
	})
	switch {
	case errors.Is(err, store.ErrUnknownOutcome):
		e.source.Clock.InDoubt(c.invalidated...)
		return *new(T), false, err
	case err != nil:
		return *new(T), false, err
	}
	e.source.Clock.Invalidate(c.invalidated...)
	return answer, replayed, nil
}

// change makes a change that answers with nothing.
func (e *Engine) change(
	ctx context.Context, who Caller, work func(context.Context, *Change) error,
) error {
	_, err := change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Empty, error) {
		return latchkey.Empty{}, work(ctx, c)
	})
	return err
}

// update makes changes of rows when it is their turn, unless the database is known to
// be gone.
func (e *Engine) update(
	ctx context.Context, turn store.Turn, work func(context.Context, *store.Tx) error,
) error {
	return e.source.Breaker.Do(func() error { return e.db.UpdateFor(ctx, turn, work) })
}

// once returns count as a function that does it when it is first called, and
// says again what came of it when the store runs a change's work again.
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

// recall finds the answer that an earlier request with the same
// Idempotency-Key got. It refuses the key if that request was another, and the
// caller if it may no longer do what it did then.
func (e *Engine) loadIdempotencyRecord(ctx context.Context, c *Change, answer any) (bool, error) {
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
		return false, errIdempotencyKeyReused.with("This Idempotency-Key was used for another request. Use a new key for a new request.")
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
	text, err := e.vault.Unseal(e.recordsKey, row.Answer, c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	return true, nil
}

// saveIdempotencyRecord keeps an answer for repeated requests. It is sealed, because it may
// hold the secret of a new key.
func (e *Engine) saveIdempotencyRecord(ctx context.Context, c *Change, answer any) error {
	if c.who.requestHash == "" {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	checks, err := json.Marshal(c.checks)
	if err != nil {
		return err
	}
	sealed, err := e.vault.Seal(e.recordsKey, text, c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	return c.tx.InsertAnswer(ctx, write.InsertAnswerParams{
		RootKeyID: c.who.root.id, IdempotencyKey: c.who.IdempotencyKey,
		RequestHash: c.who.requestHash, Answer: sealed, Checks: string(checks), CreatedAt: c.now,
	})
}
