package ui

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// webhookEvents are the events that can be sent, with what they say.
var webhookEvents = []struct{ Name, Text string }{
	{"key.created", "A key was created."},
	{"key.updated", "Settings of a key were changed."},
	{"key.rerolled", "A key was replaced by a new one."},
	{"key.deleted", "A key was deleted."},
	{"key.expiring", "A key ends soon."},
	{"key.credits_low", "A key has few credits left, or none."},
	{"ratelimit.exceeded", "A limit was met."},
	{"root_key.created", "A root key was created."},
}

// webhooksView is what the list of webhooks shows.
type webhooksView struct {
	Webhooks []webhookRow
	Pages    pager
}

// webhookRow is a webhook with its state.
type webhookRow struct {
	latchkey.Webhook
	State pill
}

func webhookRowOf(w latchkey.Webhook) webhookRow {
	state := pill{"Active", "ok"}
	switch {
	case !w.Enabled:
		state = pill{"Disabled", "off"}
	case !w.FailingSince.IsZero():
		state = pill{"Failing", "bad"}
	}
	return webhookRow{w, state}
}

// webhooks lists the webhooks of the workspace.
func (v *visit) webhooks() error {
	list, err := v.client.Webhooks.List(v.ctx(), latchkey.ListWebhooksRequest{
		Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view := webhooksView{Pages: v.pager(len(list.Data), list.Pagination)}
	for _, w := range list.Data {
		view.Webhooks = append(view.Webhooks, webhookRowOf(w))
	}
	return v.show("webhooks", page{Title: "Webhooks", Section: "/webhooks", Data: view})
}

// webhookForm is the form for a webhook.
type webhookForm struct {
	URL, Description string
	Events           []webhookEvent
	Problem          *problem
}

// webhookEvent is an event in the form.
type webhookEvent struct {
	Name, Text string
	Chosen     bool
}

// newWebhook shows the form.
func (v *visit) newWebhook() error { return v.webhookForm(nil) }

func (v *visit) webhookForm(wrong *problem) error {
	form := webhookForm{
		URL: v.r.PostFormValue("url"), Description: v.r.PostFormValue("description"), Problem: wrong,
		Events: eventChoices(v.r.PostForm["event"]),
	}
	p := page{
		Title: "Create a webhook", Section: "/webhooks", Trail: []link{{"Webhooks", "/webhooks"}},
		Data: form,
	}
	if wrong != nil {
		return v.refuse("webhooknew", p)
	}
	return v.show("webhooknew", p)
}

func eventChoices(chosen []string) (all []webhookEvent) {
	for _, e := range webhookEvents {
		one := webhookEvent{Name: e.Name, Text: e.Text}
		for _, c := range chosen {
			one.Chosen = one.Chosen || c == e.Name
		}
		all = append(all, one)
	}
	return all
}

// createWebhook creates a webhook and shows its secret, once.
func (v *visit) createWebhook() error {
	made, err := v.client.Webhooks.Create(v.ctx(), latchkey.CreateWebhookRequest{
		URL: strings.TrimSpace(v.r.PostFormValue("url")), Events: v.r.PostForm["event"],
		Description: strings.TrimSpace(v.r.PostFormValue("description")),
	}, v.once())
	if err != nil {
		if wrong := refusal(err); wrong != nil {
			return v.webhookForm(wrong)
		}
		return err
	}
	return v.showWebhookSecret(made.WebhookID, made.Secret)
}

// rotateWebhookSecret makes a new secret and shows it, once.
func (v *visit) rotateWebhookSecret() error {
	id := v.r.PathValue("webhookId")
	made, err := v.client.Webhooks.RotateSecret(v.ctx(),
		latchkey.RotateWebhookSecretRequest{WebhookID: id}, v.once())
	if err != nil {
		return v.webhookRefused(err)
	}
	return v.showWebhookSecret(id, made.Secret)
}

func (v *visit) showWebhookSecret(id, secret string) error {
	return v.show("webhooksecret", page{
		Title: "The secret of the webhook", Section: "/webhooks",
		Trail: []link{{"Webhooks", "/webhooks"}},
		Data:  struct{ ID, Secret string }{id, secret},
	})
}

// webhookView is what the page of a webhook shows.
type webhookView struct {
	webhookRow
	Name       string
	Choices    []webhookEvent
	Views      []choice
	Deliveries []deliveryRow
	Pages      pager
	Problem    *problem
}

// Was is how the form is shown.
func (v webhookView) Was() string {
	was := url.Values{"url": {v.URL}}
	for _, e := range v.Choices {
		if e.Chosen {
			was.Add("event", e.Name)
		}
	}
	return was.Encode()
}

// deliveryRow is a delivery with its state.
type deliveryRow struct {
	latchkey.WebhookDelivery
	State pill
}

// webhook shows a webhook with its deliveries.
func (v *visit) webhook() error { return v.showWebhook(nil) }

func (v *visit) showWebhook(wrong *problem) error {
	id := v.r.PathValue("webhookId")
	w, err := v.client.Webhooks.Get(v.ctx(), latchkey.GetWebhookRequest{WebhookID: id})
	if err != nil {
		return err
	}
	status := v.r.URL.Query().Get("status")
	list, err := v.client.Webhooks.ListDeliveries(v.ctx(), latchkey.ListWebhookDeliveriesRequest{
		WebhookID: id, Status: latchkey.DeliveryStatus(status), Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view := webhookView{
		webhookRow: webhookRowOf(w), Name: hostOf(w.URL), Choices: eventChoices(w.Events),
		Pages: v.pager(len(list.Data), list.Pagination), Problem: wrong,
	}
	for _, c := range []choice{
		{Text: "All"}, {Text: "Waiting", Path: "waiting"}, {Text: "Delivered", Path: "delivered"},
		{Text: "Failed", Path: "failed"},
	} {
		view.Views = append(view.Views, choice{c.Text, v.with("status", c.Path), c.Path == status})
	}
	for _, d := range list.Data {
		view.Deliveries = append(view.Deliveries, deliveryRow{d, deliveryState(d.Status)})
	}
	p := page{
		Title: view.Name, Section: "/webhooks", Trail: []link{{"Webhooks", "/webhooks"}}, Data: view,
	}
	if wrong != nil {
		return v.refuse("webhook", p)
	}
	return v.show("webhook", p)
}

func deliveryState(s latchkey.DeliveryStatus) pill {
	switch s {
	case latchkey.DeliveryDelivered:
		return pill{"Delivered", "ok"}
	case latchkey.DeliveryFailed:
		return pill{"Failed", "bad"}
	}
	return pill{"Waiting", "warn"}
}

// hostOf returns the host of a URL, or the URL.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return cmp.Or(u.Host, text)
}

// changeWebhook saves the form of a webhook, or switches it on or off.
func (v *visit) changeWebhook() error {
	change := latchkey.UpdateWebhookRequest{WebhookID: v.r.PathValue("webhookId")}
	if v.r.PostForm.Has("enabled") {
		change.Enabled = latchkey.Set(v.r.PostFormValue("enabled") == "true")
	} else {
		if v.changed("url") {
			change.URL = latchkey.Set(strings.TrimSpace(v.r.PostFormValue("url")))
		}
		if v.changed("event") {
			change.Events = latchkey.Set(v.r.PostForm["event"])
		}
	}
	if _, err := v.client.Webhooks.Update(v.ctx(), change, v.once()); err != nil {
		return v.webhookRefused(err)
	}
	return v.redirect(v.webhookPath(), "Saved. It holds for the next event.")
}

func (v *visit) webhookPath() string {
	return "/webhooks/" + url.PathEscape(v.r.PathValue("webhookId"))
}

// testWebhook sends a test.
func (v *visit) testWebhook() error {
	_, err := v.client.Webhooks.SendTest(v.ctx(),
		latchkey.SendTestWebhookRequest{WebhookID: v.r.PathValue("webhookId")}, v.once())
	if err != nil {
		return v.webhookRefused(err)
	}
	return v.redirect(v.webhookPath(), "Sent webhook.test. The list shows how it went.")
}

// resendDelivery sends an event again.
func (v *visit) resendDelivery() error {
	err := v.client.Webhooks.Resend(v.ctx(), latchkey.ResendWebhookDeliveryRequest{
		WebhookID: v.r.PathValue("webhookId"), DeliveryID: v.r.PathValue("deliveryId"),
	}, v.once())
	if err != nil {
		return v.webhookRefused(err)
	}
	return v.redirect(v.webhookPath(), "Sent again. The list shows how it went.")
}

// deleteWebhook deletes a webhook.
func (v *visit) deleteWebhook() error {
	err := v.client.Webhooks.Delete(v.ctx(),
		latchkey.DeleteWebhookRequest{WebhookID: v.r.PathValue("webhookId")}, v.once())
	if err != nil {
		return v.webhookRefused(err)
	}
	return v.redirect("/webhooks", "Deleted the webhook. Nothing is sent to it any more.")
}

// webhookRefused shows a webhook again that was not changed.
func (v *visit) webhookRefused(err error) error {
	if wrong := refusal(err); wrong != nil {
		return v.showWebhook(wrong)
	}
	return err
}
