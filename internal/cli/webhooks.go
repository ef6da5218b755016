package cli

import (
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// webhookCommands are the commands of webhooks.
type webhookCommands struct {
	Create struct {
		URL         string   `arg:"" name:"url" json:"url" help:"The https URL that receives the events."`
		Events      []string `name:"event" required:"" json:"events" help:"Events to send: key.created, key.updated, key.rerolled, key.deleted, key.expiring, key.credits_low, ratelimit.exceeded, root_key.created."`
		Description string   `json:"description,omitempty" help:"Note for people."`
		Days        int64    `name:"expiring-days" json:"expiringDays,omitempty" placeholder:"N" help:"Days before a key expires at which key.expiring is sent (default: 7)."`
		Threshold   int64    `name:"credit-threshold" json:"creditThreshold,omitempty" placeholder:"N" help:"Balance at or below which key.credits_low is sent (default: 0)."`
	} `cmd:"" op:"webhooks.createWebhook" done:"Created webhook {webhookId}. Its secret, which can't be shown again:" last:"secret" help:"Create a webhook; print its secret."`
	Get struct {
		ID string `arg:"" json:"webhookId" help:"The webhook's id."`
	} `cmd:"" op:"webhooks.getWebhook" help:"Show a webhook."`
	List struct {
		Paging
	} `cmd:"" op:"webhooks.listWebhooks" help:"List the webhooks."`
	Update updateWebhook `cmd:"" op:"webhooks.updateWebhook" done:"Updated webhook {webhookId}." help:"Change a webhook."`
	Delete struct {
		ID string `arg:"" json:"webhookId" help:"The webhook's id."`
		Confirmed
	} `cmd:"" op:"webhooks.deleteWebhook" confirm:"Events that wait for webhook {webhookId} will not be sent." done:"Deleted webhook {webhookId}." help:"Delete a webhook with its log."`
	Rotate struct {
		ID string `arg:"" json:"webhookId" help:"The webhook's id."`
	} `cmd:"" op:"webhooks.rotateSecret" done:"Events are signed with the previous secret too until {previousUntil}. The new secret:" last:"secret" help:"Replace the secret of a webhook; print the new one."`
	Test struct {
		ID string `arg:"" json:"webhookId" help:"The webhook's id."`
	} `cmd:"" op:"webhooks.sendTest" done:"Queued a test event. Its delivery:" last:"deliveryId" help:"Send the event webhook.test."`
	Deliveries struct {
		ID string `arg:"" json:"webhookId" help:"The webhook's id."`
		Paging
		Status string `json:"status,omitempty" placeholder:"waiting|delivered|failed" help:"Only deliveries in this state."`
	} `cmd:"" op:"webhooks.listDeliveries" help:"List what was sent to a webhook, newest first."`
	Resend struct {
		ID       string `arg:"" json:"webhookId" help:"The webhook's id."`
		Delivery string `arg:"" json:"deliveryId" help:"The delivery's id."`
	} `cmd:"" op:"webhooks.resendDelivery" done:"Event {deliveryId} is sent again." help:"Send an event again."`
}

// updateWebhook changes a webhook.
type updateWebhook struct {
	ID          string   `arg:"" json:"webhookId" help:"The webhook's id."`
	Endpoint    *string  `json:"url,omitempty" placeholder:"URL" help:"New https URL that receives the events."`
	Events      []string `name:"event" json:"events,omitempty" help:"Events to send, in place of those before."`
	Description *string  `json:"description,omitempty" help:"New note for people."`
	Days        *int64   `name:"expiring-days" json:"expiringDays,omitempty" placeholder:"N" help:"Days before a key expires at which key.expiring is sent."`
	Threshold   *int64   `name:"credit-threshold" json:"creditThreshold,omitempty" placeholder:"N" help:"Balance at or below which key.credits_low is sent."`
	Enabled     *bool    `negatable:"" json:"enabled,omitempty" help:"Send events; --no-enabled stops."`
	Clearing
}

func webhookRow(w latchkey.Webhook) []string {
	state := "enabled"
	switch {
	case w.DisabledReason != "":
		state = "disabled by the service"
	case !w.Enabled:
		state = "disabled"
	case !w.FailingSince.IsZero():
		state = "failing"
	}
	return []string{w.ID, w.URL, strings.Join(w.Events, ", "), state, ago(w.CreatedAt)}
}

const deliveryHeader = "ID EVENT STATUS ATTEMPTS RESPONSE CREATED ERROR"

func deliveryRow(d latchkey.WebhookDelivery) []string {
	status := ""
	if d.ResponseStatus != 0 {
		status = strconv.FormatInt(d.ResponseStatus, 10)
	}
	return []string{d.ID, d.Event, string(d.Status), strconv.FormatInt(d.Attempts, 10), status,
		ago(d.CreatedAt), d.Error}
}
