package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// The audit log is the queue of events about changes: a change writes its records in its own
// transaction, and knows nothing of webhooks. Each webhook has a place in the log. A job
// turns the records after it into deliveries and moves the place on, in one transaction. A
// webhook with many waiting deliveries waits with the rest of the log.

// auditPage is how many records of the audit log a webhook looks at in one change.
const auditPage = 100

// collectEvents queues the events of what was changed for the webhooks that wait for them.
func (e *Engine) collectEvents(ctx context.Context) error {
	const some = 32 // all take turns, however much some are behind
	behind, err := e.db.WebhooksBehind(ctx, e.hooks.collected.get(), maxWaiting-1, some)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	e.hooks.collected.set("")
	if len(behind) == some {
		e.hooks.collected.set(behind[some-1].ID)
	}
	var errs []error
	for _, hook := range behind {
		logs, err := e.db.AuditLogsAfter(ctx, hook.WorkspaceID, hook.Place, auditPage)
		if logs = wholeChanges(logs); err == nil && len(logs) > 0 {
			err = e.collectFor(ctx, hook, webhookEventsOf(logs), logs[len(logs)-1].Seq)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// collectFor queues the events that a webhook waits for, and moves its place on, unless
// another node did.
func (e *Engine) collectFor(
	ctx context.Context, at read.WebhooksBehindRow, events []latchkey.WebhookEvent, last int64,
) error {
	system := e.system(at.WorkspaceID)
	var updated []string // keys, if their credits matter
	err := e.update(ctx, system.turn(), func(ctx context.Context, tx *store.Tx) error {
		updated = nil
		hook, err := tx.Webhook(ctx, at.ID, at.WorkspaceID)
		if errors.Is(err, store.ErrNotFound) ||
			err == nil && (!hook.Enabled || hook.Place != at.Place) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		wants := strings.Fields(hook.Events)
		for i := range events {
			event := &events[i]
			if slices.Contains(wants, event.Type) {
				if _, err := enqueueEvent(ctx, tx, hook.ID, e.now(), event); err != nil {
					return err
				}
			}
			if event.Type == latchkey.EventKeyUpdated &&
				slices.Contains(wants, latchkey.EventKeyCreditsLow) {
				updated = append(updated, event.Data.KeyID)
				err := tx.DeleteMarkOfRisenCredits(ctx, write.DeleteMarkOfRisenCreditsParams{
					WebhookID: hook.ID, Event: latchkey.EventKeyCreditsLow,
					KeyID: event.Data.KeyID, Threshold: hook.CreditThreshold,
				})
				if err != nil {
					return err
				}
			}
		}
		return tx.SetWebhookPlace(ctx, hook.ID, last)
	})
	if err != nil {
		return err
	}
	for _, key := range updated {
		e.hooks.noticeCredits(at.WorkspaceID, key)
	}
	return nil
}

// wholeChanges returns the records of a page without those of a last change that may go on after
// it, unless there are no others: the records that a change has of a key are looked at together.
func wholeChanges(page []read.AuditLogsAfterRow) []read.AuditLogsAfterRow {
	end := len(page)
	if end < auditPage {
		return page
	}
	for last := page[end-1].CorrelationID; end > 0 && page[end-1].CorrelationID == last; {
		end--
	}
	if end == 0 {
		return page
	}
	return page[:end]
}

// webhookEventsOf returns the events of consecutive records of the audit log. The records that a
// change has of a key are one event, of which the first says the type.
func webhookEventsOf(logs []read.AuditLogsAfterRow) (events []latchkey.WebhookEvent) {
	type subject struct {
		correlation, id string
		time            int64
	}
	seen := map[subject]bool{}
	for i := range logs {
		event, id := webhookEventOf(&logs[i])
		of := subject{logs[i].CorrelationID, id, logs[i].Time}
		if event.Type == "" || seen[of] {
			continue
		}
		seen[of] = true
		events = append(events, event)
	}
	return events
}

// webhookEventOf returns the event of a record of the audit log, and the id of what it is about. An
// event without type is none.
func webhookEventOf(log *read.AuditLogsAfterRow) (event latchkey.WebhookEvent, id string) {
	var targets []latchkey.AuditTarget
	if err := json.Unmarshal([]byte(log.Targets), &targets); err != nil {
		return event, "" // the log was damaged, and nothing can be reported of the record
	}
	event.Timestamp = time.UnixMilli(log.Time).UTC()
	event.Data = latchkey.WebhookData{
		WorkspaceID: log.WorkspaceID,
		Actor:       &latchkey.AuditActor{Type: log.ActorType, ID: log.ActorID},
	}
	for _, t := range targets {
		switch {
		case t.Type == "key" && event.Data.KeyID == "":
			event.Data.KeyID, event.Data.Name = t.ID, t.Name
		case t.Type == "rootKey" && event.Data.RootKeyID == "":
			event.Data.RootKeyID, event.Data.Name = t.ID, t.Name
		case t.Type == "key" || t.Type == "rootKey":
			event.Data.ReplacedKeyID = t.ID
		case t.Type == "api":
			event.Data.APIID = t.ID
		}
	}
	if event.Data.RootKeyID != "" {
		event.Type = rootKeyEvents[log.Event]
		return event, event.Data.RootKeyID
	}
	if event.Data.KeyID != "" {
		event.Type = typeOfKeyEvent(log)
	}
	return event, event.Data.KeyID
}

// rootKeyEvents has the records of the audit log that make a root key.
var rootKeyEvents = map[string]string{
	"key.create": latchkey.EventRootKeyCreated, "key.reroll": latchkey.EventRootKeyCreated,
	"root_key.reset": latchkey.EventRootKeyCreated,
}

// typeOfKeyEvent returns the type of the event of a record about a key. Refills on schedule
// are none.
func typeOfKeyEvent(log *read.AuditLogsAfterRow) string {
	switch log.Event {
	case "key.create":
		return latchkey.EventKeyCreated
	case "key.reroll":
		return latchkey.EventKeyRerolled
	case "key.delete":
		return latchkey.EventKeyDeleted
	case "key.decrypt", "key.export":
		return ""
	}
	if log.ActorType == system {
		return ""
	}
	return latchkey.EventKeyUpdated
}

// enqueueEvent queues an event for a webhook and returns its id.
func enqueueEvent(
	ctx context.Context, tx *store.Tx, webhook string, now int64, event *latchkey.WebhookEvent,
) (id string, err error) {
	body, err := json.Marshal(event)
	if err != nil {
		return "", fmt.Errorf("webhook event: %w", err)
	}
	id = newEventID()
	return id, tx.InsertWebhookDelivery(ctx, write.InsertWebhookDeliveryParams{
		ID: id, WebhookID: webhook, Event: event.Type, Payload: string(body),
		CreatedAt: now, NextAt: now,
	})
}

// newEventID returns a random id that receivers can tell events apart by for ever.
func newEventID() string { return NewID("evt") + NewID("")[1:] }
