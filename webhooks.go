package latchkey

import (
	"context"
	"iter"
)

// Webhook is where the service sends events of the workspace.
type Webhook struct {
	// ID identifies the webhook in requests.
	ID string `json:"id" check:"required"`
	// URL receives the events as POST requests.
	URL string `json:"url" check:"required"`
	// Description is a note for people.
	Description string `json:"description,omitempty"`
	// Events are the types of the events that are sent.
	Events []string `json:"events" check:"required"`
	// ExpiringDays is how many days before a key expires key.expiring is sent.
	ExpiringDays int64 `json:"expiringDays" check:"required"`
	// CreditThreshold is the balance at or below which key.credits_low is sent.
	CreditThreshold int64 `json:"creditThreshold" check:"required"`
	// Enabled is false while no events are sent.
	Enabled bool `json:"enabled" check:"required"`
	// DisabledReason is why the service disabled the webhook; absent unless it did.
	DisabledReason string `json:"disabledReason,omitempty"`
	// FailingSince is when the first of the attempts failed that have failed since the last
	// success, in unix milliseconds; absent if the last one succeeded.
	FailingSince Time `json:"failingSince,omitzero"`
	// CreatedAt is when the webhook was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// UpdatedAt is when the webhook was last changed, in unix milliseconds.
	UpdatedAt Time `json:"updatedAt,omitzero"`
}

// CreateWebhookRequest asks for a new webhook.
type CreateWebhookRequest struct {
	// URL is the https URL that receives the events.
	URL string `json:"url" check:"required,min=1,max=2048"`
	// Events are the types of the events to send.
	Events []string `json:"events" check:"required,min=1,max=16,items.enum=key.created|key.updated|key.rerolled|key.deleted|key.expiring|key.credits_low|ratelimit.exceeded|root_key.created"`
	// Description is a note for people.
	Description string `json:"description,omitempty" check:"min=1,max=256"`
	// ExpiringDays is how many days before a key expires key.expiring is sent.
	ExpiringDays Opt[int64] `json:"expiringDays,omitzero" check:"min=1,max=365,default=7"`
	// CreditThreshold is the balance at or below which key.credits_low is sent.
	CreditThreshold Opt[int64] `json:"creditThreshold,omitzero" check:"min=0,default=0"`
}

// CreatedWebhook is the response to [CreateWebhookRequest].
type CreatedWebhook struct {
	// WebhookID identifies the new webhook in requests.
	WebhookID string `json:"webhookId" check:"required"`
	// Secret signs the events. It can't be read again.
	Secret string `json:"secret" check:"required"`
}

// GetWebhookRequest asks for one webhook.
type GetWebhookRequest struct {
	// WebhookID is the webhook.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
}

// ListWebhooksRequest asks for the webhooks of the workspace, by id.
type ListWebhooksRequest struct {
	// Limit is the largest number of webhooks in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// UpdateWebhookRequest changes a webhook. Absent fields stay as they are.
type UpdateWebhookRequest struct {
	// WebhookID is the webhook to change.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
	// URL is a new https URL.
	URL Opt[string] `json:"url,omitzero" check:"min=1,max=2048"`
	// Events replaces the types of events as a whole.
	Events Opt[[]string] `json:"events,omitzero" check:"min=1,max=16,items.enum=key.created|key.updated|key.rerolled|key.deleted|key.expiring|key.credits_low|ratelimit.exceeded|root_key.created"`
	// Description is a new note; null removes it.
	Description Opt[string] `json:"description,omitzero" check:"null,min=1,max=256"`
	// ExpiringDays is how many days before a key expires key.expiring is sent.
	ExpiringDays Opt[int64] `json:"expiringDays,omitzero" check:"min=1,max=365"`
	// CreditThreshold is the balance at or below which key.credits_low is sent.
	CreditThreshold Opt[int64] `json:"creditThreshold,omitzero" check:"min=0"`
	// Enabled is false to send no events. Changes that are made while a webhook is disabled are
	// not sent later.
	Enabled Opt[bool] `json:"enabled,omitzero"`
}

// DeleteWebhookRequest asks to delete a webhook with its log.
type DeleteWebhookRequest struct {
	// WebhookID is the webhook to delete.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
}

// RotateWebhookSecretRequest asks for a new secret of a webhook.
type RotateWebhookSecretRequest struct {
	// WebhookID is the webhook.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
}

// RotatedWebhookSecret is the response to [RotateWebhookSecretRequest].
type RotatedWebhookSecret struct {
	// Secret is the new secret. It can't be read again.
	Secret string `json:"secret" check:"required"`
	// PreviousUntil is until when events are signed with the previous secret too, in unix
	// milliseconds.
	PreviousUntil Time `json:"previousUntil" check:"required"`
}

// SendTestWebhookRequest asks to send the event webhook.test.
type SendTestWebhookRequest struct {
	// WebhookID is the webhook.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
}

// SentTestWebhook is the response to [SendTestWebhookRequest].
type SentTestWebhook struct {
	// DeliveryID is the delivery of the event, for webhooks.listDeliveries.
	DeliveryID string `json:"deliveryId" check:"required"`
}

// DeliveryStatus is the state of a delivery.
type DeliveryStatus string

// The states of deliveries.
const (
	// DeliveryWaiting is a delivery that has not been attempted yet, or will be again.
	DeliveryWaiting DeliveryStatus = "waiting"
	// DeliveryDelivered is a delivery that the receiver took with a status 2xx.
	DeliveryDelivered DeliveryStatus = "delivered"
	// DeliveryFailed is a delivery that is not attempted any more.
	DeliveryFailed DeliveryStatus = "failed"
)

// WebhookDelivery is an event on its way to a webhook, or sent.
type WebhookDelivery struct {
	// ID is the header webhook-id of the request, the same for every attempt.
	ID string `json:"id" check:"required"`
	// Event is the type of the event.
	Event string `json:"event" check:"required"`
	// Status is the state of the delivery.
	Status DeliveryStatus `json:"status" check:"required"`
	// Payload is the body of the request.
	Payload Meta `json:"payload" check:"required"`
	// CreatedAt is when the event was queued, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// Attempts is how often it was sent.
	Attempts int64 `json:"attempts" check:"required"`
	// NextAttemptAt is when it is sent next, in unix milliseconds; absent if it isn't.
	NextAttemptAt Time `json:"nextAttemptAt,omitzero"`
	// AttemptedAt is when the last attempt ended, in unix milliseconds.
	AttemptedAt Time `json:"attemptedAt,omitzero"`
	// DeliveredAt is when the receiver took the event, in unix milliseconds.
	DeliveredAt Time `json:"deliveredAt,omitzero"`
	// ResponseStatus is the HTTP status of the last response; absent if there was none.
	ResponseStatus int64 `json:"responseStatus,omitempty"`
	// Error is why the last attempt failed; absent if it succeeded.
	Error string `json:"error,omitempty"`
}

// ListWebhookDeliveriesRequest asks for the deliveries of a webhook, newest first.
type ListWebhookDeliveriesRequest struct {
	// WebhookID is the webhook.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
	// Status selects deliveries in one state.
	Status DeliveryStatus `json:"status,omitempty" check:"enum=waiting|delivered|failed"`
	// Limit is the largest number of deliveries in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// ResendWebhookDeliveryRequest asks to send an event again.
type ResendWebhookDeliveryRequest struct {
	// WebhookID is the webhook.
	WebhookID string `json:"webhookId" check:"required,min=3,max=255,pattern=id"`
	// DeliveryID is the delivery of the event.
	DeliveryID string `json:"deliveryId" check:"required,min=3,max=255,pattern=id"`
}

// Webhooks are the operations on webhooks.
type Webhooks struct{ c *Client }

// Create creates a webhook. Keep the secret of the response: it can't be read again.
func (s Webhooks) Create(
	ctx context.Context, r CreateWebhookRequest, opts ...CallOption,
) (CreatedWebhook, error) {
	return call[CreatedWebhook](ctx, s.c, "webhooks.createWebhook", &r, opts)
}

// Get reads one webhook.
func (s Webhooks) Get(
	ctx context.Context, r GetWebhookRequest, opts ...CallOption,
) (Webhook, error) {
	return call[Webhook](ctx, s.c, "webhooks.getWebhook", &r, opts)
}

// List reads one page of the webhooks of the workspace.
func (s Webhooks) List(
	ctx context.Context, r ListWebhooksRequest, opts ...CallOption,
) (Page[Webhook], error) {
	return list[Webhook](ctx, s.c, "webhooks.listWebhooks", &r, opts)
}

// All iterates over the webhooks of the workspace, page after page.
func (s Webhooks) All(
	ctx context.Context, r ListWebhooksRequest, opts ...CallOption,
) iter.Seq2[Webhook, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Webhook], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes a webhook and returns it.
func (s Webhooks) Update(
	ctx context.Context, r UpdateWebhookRequest, opts ...CallOption,
) (Webhook, error) {
	return call[Webhook](ctx, s.c, "webhooks.updateWebhook", &r, opts)
}

// Delete deletes a webhook with its log.
func (s Webhooks) Delete(ctx context.Context, r DeleteWebhookRequest, opts ...CallOption) error {
	return do(ctx, s.c, "webhooks.deleteWebhook", &r, opts)
}

// RotateSecret replaces the secret of a webhook and returns the new one. For a day, events are
// signed with both.
func (s Webhooks) RotateSecret(
	ctx context.Context, r RotateWebhookSecretRequest, opts ...CallOption,
) (RotatedWebhookSecret, error) {
	return call[RotatedWebhookSecret](ctx, s.c, "webhooks.rotateSecret", &r, opts)
}

// SendTest sends the event webhook.test.
func (s Webhooks) SendTest(
	ctx context.Context, r SendTestWebhookRequest, opts ...CallOption,
) (SentTestWebhook, error) {
	return call[SentTestWebhook](ctx, s.c, "webhooks.sendTest", &r, opts)
}

// ListDeliveries reads one page of the deliveries of a webhook, newest first.
func (s Webhooks) ListDeliveries(
	ctx context.Context, r ListWebhookDeliveriesRequest, opts ...CallOption,
) (Page[WebhookDelivery], error) {
	return list[WebhookDelivery](ctx, s.c, "webhooks.listDeliveries", &r, opts)
}

// AllDeliveries iterates over the deliveries of a webhook, newest first, page after page.
func (s Webhooks) AllDeliveries(
	ctx context.Context, r ListWebhookDeliveriesRequest, opts ...CallOption,
) iter.Seq2[WebhookDelivery, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[WebhookDelivery], error) {
		next := r
		next.Cursor = cursor
		return s.ListDeliveries(ctx, next, opts...)
	})
}

// Resend sends an event again, at once and with all attempts.
func (s Webhooks) Resend(
	ctx context.Context, r ResendWebhookDeliveryRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "webhooks.resendDelivery", &r, opts)
}
