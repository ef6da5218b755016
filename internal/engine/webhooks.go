package engine

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/webhook"
)

const (
	webhookPrefix = "wh" // of ids

	// webhookSecrets is the owner of the data keys that secrets of webhooks are sealed under.
	webhookSecrets = "webhooks"
	// secretOverlap is how long messages are signed with the previous secret too.
	secretOverlap = 24 * time.Hour
	// maxWaiting is how many deliveries of a webhook wait at most.
	maxWaiting = 1000
)

// The usual values of a webhook.
const (
	usualExpiringDays    = 7
	usualCreditThreshold = 0
)

// CreateWebhook creates a webhook: from now on, events of the whole workspace are sent
// to its URL, with no secrets in them. The response has the secret that signs them, as the
// Standard Webhooks specification says; it can't be read again.
//
// The URL must be https and reach an address on the internet, or one in a network that
// the operator permits. A key that expires soon, or has few credits, when the webhook is
// created is reported too.
func (e *Engine) CreateWebhook(
	ctx context.Context, who Caller, r *latchkey.CreateWebhookRequest,
) (latchkey.CreatedWebhook, error) {
	row := read.Webhook{
		WorkspaceID: who.WorkspaceID(), ExpiringDays: usualExpiringDays,
		CreditThreshold: usualCreditThreshold, Enabled: true, Description: r.Description,
	}
	settings := &latchkey.UpdateWebhookRequest{
		URL: latchkey.Set(r.URL), Events: latchkey.Set(r.Events),
		ExpiringDays: r.ExpiringDays, CreditThreshold: r.CreditThreshold,
	}
	if err := e.applyWebhook(&row, settings); err != nil {
		return latchkey.CreatedWebhook{}, err
	}
	defer e.hooks.outdated.Store(true)
	work := func(ctx context.Context, c *Change) (latchkey.CreatedWebhook, error) {
		if err := c.count(ctx, quotaWebhooks, 1); err != nil {
			return latchkey.CreatedWebhook{}, err
		}
		row, secret := row, webhook.NewSecret()
		row.ID, row.Place = NewID(webhookPrefix), c.tx.NextAudit(c.now)
		if err := e.sealWebhook(ctx, c, &row, secret); err != nil {
			return latchkey.CreatedWebhook{}, err
		}
		c.auditWebhook(webhookCreated, &row)
		err := c.tx.InsertWebhook(ctx, write.InsertWebhookParams{
			ID: row.ID, WorkspaceID: row.WorkspaceID, URL: row.URL, Description: row.Description,
			Events: row.Events, ExpiringDays: row.ExpiringDays,
			CreditThreshold: row.CreditThreshold, Secrets: row.Secrets, DataKey: row.DataKey,
			Place: row.Place, CreatedAt: c.now,
		})
		if err != nil {
			return latchkey.CreatedWebhook{}, fmt.Errorf("webhook: %w", err)
		}
		return latchkey.CreatedWebhook{WebhookID: row.ID, Secret: secret}, nil
	}
	return change(ctx, e, who, work)
}

// GetWebhook returns a webhook, without its secret.
func (e *Engine) GetWebhook(
	ctx context.Context, who Caller, r *latchkey.GetWebhookRequest,
) (latchkey.Webhook, error) {
	row, err := e.db.Webhook(ctx, r.WebhookID, who.WorkspaceID())
	if err != nil {
		return latchkey.Webhook{}, orNotFound(err, webhookNotFound())
	}
	return webhookOf(row), nil
}

// ListWebhooks returns one page of the webhooks of the workspace, by id.
func (e *Engine) ListWebhooks(
	ctx context.Context, who Caller, r *latchkey.ListWebhooksRequest,
) (latchkey.Page[latchkey.Webhook], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100), func(row read.Webhook) string { return row.ID },
		func(cursor string, most int64) ([]read.Webhook, error) {
			return e.db.WebhooksPage(ctx, who.WorkspaceID(), cursor, most)
		}, each(webhookOf))
}

// UpdateWebhook changes a webhook and returns it. Absent fields keep their values. A
// webhook that is enabled again gets the events from then on, and those that were waiting
// for it.
func (e *Engine) UpdateWebhook(
	ctx context.Context, who Caller, r *latchkey.UpdateWebhookRequest,
) (latchkey.Webhook, error) {
	defer e.hooks.outdated.Store(true)
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Webhook, error) {
		row, err := c.webhook(ctx, r.WebhookID)
		if err != nil {
			return latchkey.Webhook{}, err
		}
		enabled, url := row.Enabled, row.URL
		if err := e.applyWebhook(&row, r); err != nil {
			return latchkey.Webhook{}, err
		}
		if row.URL != url {
			row.FailingSince = 0
		}
		if row.Enabled && !enabled {
			row.DisabledReason, row.FailingSince, row.Place = "", 0, c.tx.NextAudit(c.now)
		}
		row.UpdatedAt = c.now
		c.auditWebhook(webhookUpdated, &row)
		return webhookOf(row), c.updateWebhook(ctx, &row)
	})
}

// updateWebhook stores a changed webhook.
func (c *Change) updateWebhook(ctx context.Context, row *read.Webhook) error {
	return c.tx.UpdateWebhook(ctx, write.UpdateWebhookParams{
		ID: row.ID, URL: row.URL, Description: row.Description, Events: row.Events,
		ExpiringDays: row.ExpiringDays, CreditThreshold: row.CreditThreshold,
		Enabled: row.Enabled, DisabledReason: row.DisabledReason, Place: row.Place,
		FailingSince: row.FailingSince, UpdatedAt: row.UpdatedAt,
	})
}

// DeleteWebhook deletes a webhook with its log. Events that wait for it are not sent.
func (e *Engine) DeleteWebhook(
	ctx context.Context, who Caller, r *latchkey.DeleteWebhookRequest,
) error {
	defer e.hooks.outdated.Store(true)
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.webhook(ctx, r.WebhookID)
		if err != nil {
			return err
		}
		if err := c.count(ctx, quotaWebhooks, -1); err != nil {
			return err
		}
		c.auditWebhook(webhookDeleted, &row)
		return c.tx.DeleteWebhook(ctx, row.ID)
	})
}

// RotateWebhookSecret replaces the secret of a webhook and returns the new one, which
// can't be read again. For 24 hours events are signed with the previous secret too.
func (e *Engine) RotateWebhookSecret(
	ctx context.Context, who Caller, r *latchkey.RotateWebhookSecretRequest,
) (latchkey.RotatedWebhookSecret, error) {
	work := func(ctx context.Context, c *Change) (latchkey.RotatedWebhookSecret, error) {
		row, err := c.webhook(ctx, r.WebhookID)
		if err != nil {
			return latchkey.RotatedWebhookSecret{}, err
		}
		secrets, err := e.webhookSecrets(ctx, c.tx, &row)
		if err != nil {
			return latchkey.RotatedWebhookSecret{}, err
		}
		secret := webhook.NewSecret()
		if err := e.sealWebhook(ctx, c, &row, secret, secrets[0]); err != nil {
			return latchkey.RotatedWebhookSecret{}, err
		}
		c.auditWebhook(webhookRotated, &row)
		return latchkey.RotatedWebhookSecret{
				Secret: secret, PreviousUntil: latchkey.AtMilli(c.now + secretOverlap.Milliseconds()),
			}, c.tx.SetWebhookSecrets(ctx, write.SetWebhookSecretsParams{
				ID: row.ID, Secrets: row.Secrets, DataKey: row.DataKey, RotatedAt: c.now,
			})
	}
	return change(ctx, e, who, work)
}

// SendTestWebhook queues the event webhook.test for a webhook, whatever events it waits
// for. A disabled webhook, and one for which 1,000 deliveries wait, returns 412.
func (e *Engine) SendTestWebhook(
	ctx context.Context, who Caller, r *latchkey.SendTestWebhookRequest,
) (latchkey.SentTestWebhook, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.SentTestWebhook, error) {
		row, err := c.webhookForSending(ctx, r.WebhookID)
		if err != nil {
			return latchkey.SentTestWebhook{}, err
		}
		c.auditWebhook(webhookTested, &row)
		id, err := enqueueEvent(ctx, c.tx, row.ID, c.now, &latchkey.WebhookEvent{
			Type: latchkey.EventWebhookTest, Timestamp: time.UnixMilli(c.now).UTC(),
			Data: latchkey.WebhookData{WorkspaceID: row.WorkspaceID},
		})
		return latchkey.SentTestWebhook{DeliveryID: id}, err
	})
}

// ListWebhookDeliveries returns one page of the deliveries of a webhook, newest first.
// They are kept for seven days, and the newest 10,000 of a webhook at most.
func (e *Engine) ListWebhookDeliveries(
	ctx context.Context, who Caller, r *latchkey.ListWebhookDeliveriesRequest,
) (latchkey.Page[latchkey.WebhookDelivery], error) {
	hook, err := e.db.Webhook(ctx, r.WebhookID, who.WorkspaceID())
	if err != nil {
		return latchkey.Page[latchkey.WebhookDelivery]{}, orNotFound(err, webhookNotFound())
	}
	place := func(row read.WebhookDelivery) string {
		return strconv.FormatInt(row.CreatedAt, 10) + "." + row.ID
	}
	return pageOf(r.Cursor, pageSize(r.Limit, 100), place,
		func(cursor string, most int64) ([]read.WebhookDelivery, error) {
			time, id, _ := strings.Cut(cursor, ".")
			at, err := auditPlace(time)
			if err != nil {
				return nil, err
			}
			return e.db.WebhookDeliveriesPage(ctx, read.WebhookDeliveriesPageParams{
				WebhookID: hook.ID, At: at, FromID: id, State: string(r.Status), Most: most,
			})
		}, each(deliveryOf))
}

// ResendWebhookDelivery sends an event again with the same id, at once and as often as a
// new one. A disabled webhook, and one for which 1,000 deliveries wait, returns 412.
func (e *Engine) ResendWebhookDelivery(
	ctx context.Context, who Caller, r *latchkey.ResendWebhookDeliveryRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		hook, err := c.webhookForSending(ctx, r.WebhookID)
		if err != nil {
			return err
		}
		row, err := c.tx.WebhookDelivery(ctx, r.DeliveryID, hook.ID)
		if err != nil {
			return orNotFound(err, errDeliveryNotFound.with(
				"There is no delivery with this id in the log of this webhook."))
		}
		c.audit(webhookResent, webhookTarget(&hook), target("webhookDelivery", row.ID, row.Event))
		return c.tx.ResendDelivery(ctx, row.ID, c.now)
	})
}

// webhook returns a webhook of the caller's workspace.
func (c *Change) webhook(ctx context.Context, id string) (read.Webhook, error) {
	row, err := c.tx.Webhook(ctx, id, c.who.WorkspaceID())
	if err != nil {
		return read.Webhook{}, orNotFound(err, webhookNotFound())
	}
	return row, nil
}

// webhookForSending is webhook for something that is to be sent at once.
func (c *Change) webhookForSending(ctx context.Context, id string) (read.Webhook, error) {
	row, err := c.webhook(ctx, id)
	if err != nil {
		return read.Webhook{}, err
	}
	if !row.Enabled {
		return read.Webhook{}, errPrecondition.with(
			"This webhook is disabled. Enable it with webhooks.updateWebhook first.")
	}
	waiting, err := c.tx.WaitingDeliveries(ctx, row.ID, maxWaiting)
	if err != nil {
		return read.Webhook{}, fmt.Errorf("waiting deliveries: %w", err)
	}
	if waiting == maxWaiting {
		return read.Webhook{}, errPrecondition.with(
			"%d deliveries wait for this webhook already. See webhooks.listDeliveries for why "+
				"its receiver doesn't take them.", maxWaiting)
	}
	return row, nil
}

// applyWebhook sets the columns that the request names. It returns an error if a value is
// invalid.
func (e *Engine) applyWebhook(row *read.Webhook, r *latchkey.UpdateWebhookRequest) error {
	if text, set := r.URL.Get(); set {
		if err := e.hooks.sender.CheckURL(text); err != nil {
			return invalid(latchkey.Fault{
				Location: "/properties/url/format", Message: "url " + err.Error(),
				Fix: "Send a URL such as https://example.com/hooks.",
			})
		}
		row.URL = text
	}
	if events, set := r.Events.Get(); set {
		events = slices.Clone(events)
		slices.Sort(events)
		row.Events = strings.Join(slices.Compact(events), " ")
	}
	if text, set := r.Description.Get(); set || r.Description.IsNull() {
		row.Description = text
	}
	row.ExpiringDays = r.ExpiringDays.Or(row.ExpiringDays)
	row.CreditThreshold = r.CreditThreshold.Or(row.CreditThreshold)
	row.Enabled = r.Enabled.Or(row.Enabled)
	return nil
}

// auditWebhook adds an audit record about a webhook, and lets all nodes know that it changed.
func (c *Change) auditWebhook(what event, row *read.Webhook) *write.InsertAuditLogParams {
	c.invalidate(row.ID)
	return c.audit(what, webhookTarget(row))
}

// webhookTarget names a webhook by the host of its URL, whose other parts can be secret.
func webhookTarget(row *read.Webhook) latchkey.AuditTarget {
	host := ""
	if u, err := url.Parse(row.URL); err == nil {
		host = u.Host
	}
	return target("webhook", row.ID, host)
}

func webhookOf(row read.Webhook) latchkey.Webhook {
	return latchkey.Webhook{
		ID: row.ID, URL: row.URL, Description: row.Description, Events: strings.Fields(row.Events),
		ExpiringDays: row.ExpiringDays, CreditThreshold: row.CreditThreshold,
		Enabled: row.Enabled, DisabledReason: row.DisabledReason,
		FailingSince: timeOf(row.FailingSince),
		CreatedAt:    latchkey.AtMilli(row.CreatedAt), UpdatedAt: timeOf(row.UpdatedAt),
	}
}

func deliveryOf(row read.WebhookDelivery) latchkey.WebhookDelivery {
	d := latchkey.WebhookDelivery{
		ID: row.ID, Event: row.Event, Payload: latchkey.Meta(row.Payload),
		Status: latchkey.DeliveryFailed, CreatedAt: latchkey.AtMilli(row.CreatedAt),
		Attempts: row.Attempts, NextAttemptAt: timeOf(row.NextAt),
		AttemptedAt: timeOf(row.AttemptedAt), DeliveredAt: timeOf(row.DeliveredAt),
		ResponseStatus: row.Status, Error: row.Error,
	}
	switch {
	case row.NextAt != 0:
		d.Status = latchkey.DeliveryWaiting
	case row.DeliveredAt != 0:
		d.Status = latchkey.DeliveryDelivered
	}
	return d
}

func webhookNotFound() *latchkey.Error {
	return errWebhookNotFound.with("There is no webhook with this id in this workspace.")
}
