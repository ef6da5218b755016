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
	*store.Tx
	who     Caller
	now     int64  // unix ms, one instant for the whole change
	cause   string // the correlation id of the audit records
	touched []string
	audits  []write.InsertAuditLogParams
}

// touch notes the ids of what the change alters, so that nothing read of them
// before is used after it.
func (c *Change) touch(ids ...string) { c.touched = append(c.touched, ids...) }

// audit notes what happened, for the log that is written with the change.
func (c *Change) audit(event, description string, targets ...latchkey.AuditTarget) {
	text, err := json.Marshal(targets)
	if err != nil {
		panic(err) // strings always encode
	}
	c.audits = append(c.audits, write.InsertAuditLogParams{
		ID: NewID("log"), WorkspaceID: c.who.root.workspace, Time: c.now,
		Event: event, Description: description, Targets: string(text),
		ActorType: c.who.root.actorType(), ActorID: c.who.root.id, ActorName: c.who.root.name,
		RemoteIP: c.who.RemoteIP, UserAgent: c.who.UserAgent, CorrelationID: c.cause,
	})
}

// target names what a change was made to.
func target(kind, id, name string) latchkey.AuditTarget {
	return latchkey.AuditTarget{Type: kind, ID: id, Name: name}
}

// change makes a change: work, its audit records and the answer kept for an
// Idempotency-Key are committed together, or not at all. It returns after the
// commit, when no node memory holds what was before.
func change[T any](ctx context.Context, e *Engine, who Caller, work func(context.Context, *Change) (T, error)) (T, error) {
	var answer T
	var c *Change
	err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		c = &Change{Tx: tx, who: who, now: e.now(), cause: who.correlation()}
		known, err := e.recall(ctx, c, &answer)
		if known || err != nil {
			return err
		}
		if answer, err = work(ctx, c); err != nil {
			return err
		}
		if err := e.record(ctx, c); err != nil {
			return err
		}
		return e.remember(ctx, c, answer)
	})
	if err != nil {
		return *new(T), err
	}
	e.clock.touch(c.touched...)
	return answer, nil
}

// record writes the audit records of a change, in the order they were noted.
func (e *Engine) record(ctx context.Context, c *Change) error {
	for _, row := range c.audits {
		row.Seq = e.nextAudit(c.now)
		if err := c.InsertAuditLog(ctx, row); err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
	}
	return nil
}

// nextAudit returns the next place in the audit log: the microsecond, or one
// more than the last place if that is taken. Only the writer calls it.
func (e *Engine) nextAudit(now int64) int64 {
	e.lastAudit = max(e.lastAudit+1, now*1000)
	return e.lastAudit
}

// recall finds the answer that an earlier request with the same
// Idempotency-Key got, and refuses the key if that request was another.
func (e *Engine) recall(ctx context.Context, c *Change, answer any) (bool, error) {
	if c.who.requestHash == "" {
		return false, nil
	}
	row, err := c.Answer(ctx, c.who.root.id, c.who.IdempotencyKey)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	if row.RequestHash != c.who.requestHash {
		return false, answerMismatch.because("This Idempotency-Key was used for another request. Use a new key for a new request.")
	}
	text, err := e.vault.Unseal(e.answersKey, row.Answer, c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return false, fmt.Errorf("idempotency: %w", err)
	}
	return true, json.Unmarshal(text, answer)
}

// remember keeps an answer for repeated requests. It is sealed, because it may
// hold the secret of a new key.
func (e *Engine) remember(ctx context.Context, c *Change, answer any) error {
	if c.who.requestHash == "" {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	sealed, err := e.vault.Seal(e.answersKey, text, c.who.root.id, c.who.IdempotencyKey)
	if err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	return c.InsertAnswer(ctx, write.InsertAnswerParams{
		RootKeyID: c.who.root.id, IdempotencyKey: c.who.IdempotencyKey,
		RequestHash: c.who.requestHash, Answer: sealed, CreatedAt: c.now,
	})
}
