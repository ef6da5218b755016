package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/webhook"
)

const (
	hookInterval   = time.Second      // between two looks at what there is to do
	searchInterval = 10 * time.Minute // between two searches for what nobody noticed

	// maxHookWorkers and maxHookWorkersOf are how many webhooks a node sends to at once, in all
	// and of a workspace.
	maxHookWorkers   = 64
	maxHookWorkersOf = 4
	// deliveriesAtOnce is how many deliveries of a webhook are claimed at once, and
	// sendsAtOnce how many of them are sent at the same time.
	deliveriesAtOnce = 16
	sendsAtOnce      = 4
	// workerTime is after how long a worker gives its place to another webhook.
	workerTime = 30 * time.Second
	// claimTime is after how long a claimed delivery is sent by another node, if the one that
	// claimed it died: longer than it takes to send all of a claim.
	claimTime = deliveriesAtOnce/sendsAtOnce*webhook.Timeout + time.Minute

	// failingFor is after how long without a success a webhook is disabled.
	failingFor = 5 * 24 * time.Hour

	deliveryRetention = 7 * 24 * time.Hour
	maxDeliveries     = 10_000 // of a webhook that are kept
	maxDeliveryError  = 256    // bytes
)

// hookWorkers are the webhooks that this node sends to at the moment.
type hookWorkers struct {
	mu   sync.Mutex
	busy map[string]bool
	of   map[string]int // by workspace
}

// hookCounts are the counters of webhooks.
type hookCounts struct {
	delivered, retried, failed atomic.Uint64 // attempts, by outcome
	disabled                   atomic.Uint64 // webhooks that were disabled
	unnoticed                  atomic.Uint64 // events that nobody will be told of at once
}

// lastHook is the id of a webhook.
type lastHook struct {
	mu sync.Mutex
	id string
}

func (l *lastHook) get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

func (l *lastHook) set(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id = id
}

// enter reports whether a worker can begin with a webhook.
func (w *hookWorkers) enter(hook, workspace string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[hook] || len(w.busy) >= maxHookWorkers || w.of[workspace] >= maxHookWorkersOf {
		return false
	}
	w.busy[hook] = true
	w.of[workspace]++
	return true
}

func (w *hookWorkers) leave(hook, workspace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, hook)
	if w.of[workspace]--; w.of[workspace] == 0 {
		delete(w.of, workspace)
	}
}

// workOnWebhooks reports what happened and sends what is due. It costs nothing while no
// webhook is enabled.
func (e *Engine) workOnWebhooks(ctx context.Context) error {
	if err := e.readWebhooks(ctx); err != nil {
		return err
	}
	if e.hooks.watches.Load() == nil {
		return nil
	}
	return errors.Join(e.reportNoticed(ctx), e.collectEvents(ctx), e.startDeliveries(ctx))
}

// startDeliveries starts a worker for each webhook with something due that has none on this
// node. All nodes do; each delivery is claimed by one.
func (e *Engine) startDeliveries(ctx context.Context) error {
	w := &e.hooks.workers
	due, err := e.db.WebhooksDue(ctx, e.hooks.delivered.get(), e.now(), maxHookWorkers)
	if err != nil {
		return fmt.Errorf("due webhooks: %w", err)
	}
	e.hooks.delivered.set("")
	if len(due) == maxHookWorkers {
		e.hooks.delivered.set(due[len(due)-1].ID)
	}
	for _, hook := range due {
		if !w.enter(hook.ID, hook.WorkspaceID) {
			continue
		}
		e.done.Go(func() {
			defer w.leave(hook.ID, hook.WorkspaceID)
			if err := e.deliverAll(ctx, hook.ID, hook.WorkspaceID); err != nil && ctx.Err() == nil {
				e.log.Error("webhook deliveries failed; they are tried again",
					"webhook", hook.ID, "error", err)
			}
		})
	}
	return nil
}

// deliverAll sends what is due for a webhook, until nothing is or others have waited for long.
func (e *Engine) deliverAll(ctx context.Context, hook, workspace string) error {
	for begun := time.Now(); time.Since(begun) < workerTime; {
		sent, err := e.deliverSome(ctx, hook, workspace)
		if err != nil || sent == 0 || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// deliverSome claims some due deliveries of a webhook, sends them and stores the outcome. It
// returns how many there were.
func (e *Engine) deliverSome(ctx context.Context, id, workspace string) (int, error) {
	var hook read.Webhook
	var secrets []string
	var rows []read.WebhookDelivery
	claimed := e.now() + claimTime.Milliseconds()
	system := e.system(workspace)
	err := e.update(ctx, system.turn(), func(ctx context.Context, tx *store.Tx) (err error) {
		rows = nil
		hook, err = tx.Webhook(ctx, id, workspace)
		if errors.Is(err, store.ErrNotFound) || err == nil && !hook.Enabled {
			return nil
		}
		if err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		if secrets, err = e.webhookSecrets(ctx, tx, &hook); err != nil {
			return err
		}
		most := int64(deliveriesAtOnce)
		if hook.FailingSince != 0 {
			most = sendsAtOnce // they can take their whole time, in which others wait
		}
		rows, err = tx.DueDeliveries(ctx, id, e.now(), most)
		if err != nil {
			return fmt.Errorf("deliveries: %w", err)
		}
		for i := range rows {
			if err := tx.ClaimDelivery(ctx, rows[i].ID, claimed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	outcomes := e.sendAll(ctx, &hook, secrets, rows)
	for i := range outcomes {
		outcomes[i].Claimed = claimed
	}
	return len(rows), e.saveOutcomes(context.WithoutCancel(ctx), &hook, outcomes)
}

// sendAll sends claimed deliveries, a few at the same time.
func (e *Engine) sendAll(
	ctx context.Context, hook *read.Webhook, secrets []string, rows []read.WebhookDelivery,
) []outcome {
	outcomes := make([]outcome, len(rows))
	places := make(chan struct{}, sendsAtOnce)
	var sends sync.WaitGroup
	for i := range rows {
		places <- struct{}{}
		sends.Go(func() {
			defer func() { <-places }()
			outcomes[i] = e.send(ctx, hook, secrets, &rows[i])
		})
	}
	sends.Wait()
	return outcomes
}

// outcome is that of an attempt to send a delivery.
type outcome struct {
	write.SetDeliveredParams
	failed bool // false too if the node stopped meanwhile
}

// send sends a delivery and returns the outcome. An attempt that ends because the node stops
// doesn't count.
func (e *Engine) send(
	ctx context.Context, hook *read.Webhook, secrets []string, row *read.WebhookDelivery,
) outcome {
	status, err := e.hooks.sender.Send(ctx, webhook.Message{
		ID: row.ID, URL: hook.URL, Secrets: secrets, Body: []byte(row.Payload),
	}, e.time())
	now := e.now()
	o := outcome{SetDeliveredParams: write.SetDeliveredParams{
		ID: row.ID, Attempts: row.Attempts + 1, AttemptedAt: now, Status: int64(status),
	}}
	switch {
	case err == nil:
		o.DeliveredAt = now
		e.hooks.counts.delivered.Add(1)
		return o
	case ctx.Err() != nil:
		o.Attempts, o.NextAt, o.AttemptedAt = row.Attempts, now, row.AttemptedAt
		o.Status, o.Error = row.Status, row.Error
		return o
	}
	var address *webhook.AddressError
	if errors.As(err, &address) && hook.FailingSince == 0 {
		e.log.Warn("a webhook leads to an address that is not on the public internet",
			"webhook", hook.ID, "address", address.Addr)
	}
	o.Error, o.failed = clip(clean(err.Error()), maxDeliveryError), true
	if wait, more := webhook.Delay(int(o.Attempts)); more {
		o.NextAt = now + wait.Milliseconds()
		e.hooks.counts.retried.Add(1)
	} else {
		e.hooks.counts.failed.Add(1)
	}
	return o
}

// saveOutcomes stores the outcomes of attempts, and what they say about the webhook, unless it
// has another URL since.
func (e *Engine) saveOutcomes(
	ctx context.Context, hook *read.Webhook, outcomes []outcome,
) error {
	disabled := false
	err := e.change(ctx, e.system(hook.WorkspaceID), func(ctx context.Context, c *Change) error {
		for i := range outcomes {
			if err := c.tx.SetDelivered(ctx, outcomes[i].SetDeliveredParams); err != nil {
				return err
			}
		}
		disabled = false
		row, err := c.tx.Webhook(ctx, hook.ID, hook.WorkspaceID)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.URL != hook.URL {
			return nil
		}
		if err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		disabled, err = c.noteHealth(ctx, &row, outcomes)
		return err
	})
	if err == nil && disabled {
		e.hooks.outdated.Store(true)
		e.hooks.counts.disabled.Add(1)
		e.log.Warn("disabled a webhook whose receiver is gone or has failed for long",
			"webhook", hook.ID)
	}
	return err
}

// noteHealth stores since when a webhook fails. It disables a webhook whose receiver is gone
// or has failed for long, with a record in the audit log, and reports whether it did.
func (c *Change) noteHealth(
	ctx context.Context, row *read.Webhook, outcomes []outcome,
) (disabled bool, err error) {
	since, gone := row.FailingSince, false
	for i := range outcomes {
		if outcomes[i].DeliveredAt != 0 {
			since, gone = 0, false
			break
		}
		if outcomes[i].failed {
			since = cmp.Or(since, c.now)
			gone = gone || outcomes[i].Status == http.StatusGone
		}
	}
	switch long := since != 0 && c.now-since > failingFor.Milliseconds(); {
	case row.Enabled && long:
		row.DisabledReason = "Every attempt has failed for five days."
	case row.Enabled && gone:
		row.DisabledReason = "The receiver responded with status 410: it is gone for good."
	case since != row.FailingSince:
		return false, c.tx.SetWebhookFailing(ctx, row.ID, since)
	default:
		return false, nil
	}
	row.Enabled, row.FailingSince, row.UpdatedAt = false, since, c.now
	c.auditWebhook(webhookDisabled, row).Description += ": " + row.DisabledReason
	return true, c.updateWebhook(ctx, row)
}

// dropDeliveries deletes old deliveries, marks of periods that are over, and what is left of
// webhooks that were deleted, by themselves or with their workspace.
func (e *Engine) dropDeliveries(ctx context.Context) error {
	now := e.now()
	errs := []error{
		deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return tx.DropDeliveries(ctx, now-deliveryRetention.Milliseconds(), chunk)
		}),
		deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return tx.DropWebhookMarks(ctx, now, chunk)
		}),
		deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return tx.DropWebhooks(ctx, now-deletedRetention.Milliseconds(), chunk)
		}),
		e.dropLeft(ctx, e.db.NextDeliveredWebhook, (*store.Tx).DropDeliveriesWithoutWebhook),
		e.dropLeft(ctx, e.db.NextMarkedWebhook, (*store.Tx).DropMarksWithoutWebhook),
	}
	if watches := e.hooks.watches.Load(); watches != nil {
		for _, watched := range *watches {
			for i := range watched.hooks {
				errs = append(errs, deleteInChunks(ctx, e.db,
					func(ctx context.Context, tx *store.Tx) (int64, error) {
						return tx.DropDeliveriesOf(ctx, watched.hooks[i].id, maxDeliveries, chunk)
					}))
			}
		}
	}
	return errors.Join(errs...)
}

// dropLeft deletes the rows of webhooks that don't exist. Next returns the next webhook that
// has rows, and drop deletes some rows of one that doesn't exist.
func (e *Engine) dropLeft(
	ctx context.Context, next func(ctx context.Context, after string) (string, error),
	drop func(tx *store.Tx, ctx context.Context, id string, most int64) (int64, error),
) error {
	for id := ""; ; {
		var err error
		if id, err = next(ctx, id); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("left of webhooks: %w", err)
		}
		err = deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
			return drop(tx, ctx, id, chunk)
		})
		if err != nil {
			return err
		}
	}
}
