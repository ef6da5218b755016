package ui_test

import (
	"html"
	"regexp"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

var wasShown = regexp.MustCompile(`name="was" value="([^"]*)"`)

// was is the hidden field of a form that says how it was shown.
func (b *browser) was(path string) string {
	b.t.Helper()
	a := b.get(path)
	found := wasShown.FindStringSubmatch(a.text)
	if found == nil {
		b.t.Fatalf("%s doesn't say how it is shown: %d", path, a.status)
	}
	return html.UnescapeString(found[1])
}

// must ends a test whose call failed.
func must[T any](t *testing.T) func(T, error) T {
	return func(result T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}

// TestStaleFormsRevertNothing: a form changes only what differs from how it was shown.
func TestStaleFormsRevertNothing(t *testing.T) {
	w := open(t)
	b, ctx, c := w.signedIn(w.RootKey), t.Context(), w.Client

	api := must[latchkey.CreatedAPI](t)(c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "api"}))
	page := "/apis/" + api.APIID + "/settings"
	was := b.was(page)
	must[latchkey.APISettings](t)(c.APIs.Update(ctx, latchkey.UpdateAPIRequest{
		APIID: api.APIID, IPWhitelist: latchkey.Set([]string{"192.0.2.1"}),
		StrictGrants: latchkey.Set(true), DefaultPrefix: latchkey.Set("live"),
		DefaultBytes: latchkey.Set(32),
	}))
	a := b.post(page, "once", "1", "was", was, "deleteProtection", "yes",
		"defaultPrefix", "", "defaultBytes", "", "ipWhitelist", "")
	list := must[latchkey.Page[latchkey.APISettings]](t)(c.APIs.List(ctx, latchkey.ListAPIsRequest{}))
	got := list.Data[0]
	if a.leads() != page || !got.DeleteProtection || !got.StrictGrants ||
		got.DefaultPrefix != "live" || got.DefaultBytes != 32 || len(got.IPWhitelist) != 1 {
		t.Errorf("%d: the API is %+v", a.status, got)
	}

	identity := must[latchkey.CreatedIdentity](t)(c.Identities.Create(ctx,
		latchkey.CreateIdentityRequest{ExternalID: "user_1", Meta: `{"a":1}`}))
	page = "/identities/" + identity.IdentityID
	was = b.was(page)
	must[latchkey.Identity](t)(c.Identities.Update(ctx, latchkey.UpdateIdentityRequest{
		Identity: "user_1", Meta: latchkey.Set[latchkey.Meta](`{"a":2}`),
	}))
	a = b.post(page, "once", "2", "was", was, "meta", "{\r\n  \"a\": 1\r\n}", "limit.name", "all",
		"limit.limit", "5", "limit.every", "1", "limit.unit", "60000", "limit.algorithm", "",
		"limit.apply", "every")
	now := must[latchkey.Identity](t)(c.Identities.Get(ctx,
		latchkey.GetIdentityRequest{Identity: "user_1"}))
	if a.leads() != page || now.Meta != `{"a":2}` || len(now.Ratelimits) != 1 {
		t.Errorf("%d: the identity is %+v", a.status, now)
	}

	hook := must[latchkey.CreatedWebhook](t)(c.Webhooks.Create(ctx, latchkey.CreateWebhookRequest{
		URL: "https://example.com/1", Events: []string{"key.created"},
	}))
	page = "/webhooks/" + hook.WebhookID
	was = b.was(page)
	must[latchkey.Webhook](t)(c.Webhooks.Update(ctx, latchkey.UpdateWebhookRequest{
		WebhookID: hook.WebhookID, URL: latchkey.Set("https://example.com/2"),
	}))
	a = b.post(page, "once", "3", "was", was, "url", "https://example.com/1",
		"event", "key.created", "event", "key.deleted")
	sent := must[latchkey.Webhook](t)(c.Webhooks.Get(ctx,
		latchkey.GetWebhookRequest{WebhookID: hook.WebhookID}))
	if a.leads() != page || sent.URL != "https://example.com/2" || len(sent.Events) != 2 {
		t.Errorf("%d: the webhook is %+v", a.status, sent)
	}

	space := must[latchkey.CreatedWorkspace](t)(c.Workspaces.Create(ctx,
		latchkey.CreateWorkspaceRequest{Name: "tenant"}))
	page = "/workspaces/" + space.WorkspaceID
	was = b.was(page)
	must[latchkey.Workspace](t)(c.Workspaces.Update(ctx, latchkey.UpdateWorkspaceRequest{
		WorkspaceID: space.WorkspaceID, RequestsPerMinute: latchkey.Set[int64](9),
	}))
	a = b.post(page, "once", "4", "was", was, "name", "tenant 2", "requestsPerMinute", "")
	tenant := must[latchkey.Workspace](t)(c.Workspaces.Get(ctx,
		latchkey.GetWorkspaceRequest(space)))
	if a.leads() != page || tenant.Name != "tenant 2" || tenant.RequestsPerMinute.Or(0) != 9 {
		t.Errorf("%d: the workspace is %+v", a.status, tenant)
	}

	must[latchkey.LimitResult](t)(c.Ratelimits.Limit(ctx, latchkey.LimitRequest{
		Namespace: "space", Identifier: "x", Limit: 1, Duration: latchkey.PerMilli(60_000),
	}))
	spaces := must[latchkey.Page[latchkey.Namespace]](t)(c.Ratelimits.ListNamespaces(ctx,
		latchkey.ListNamespacesRequest{}))
	page = "/limits/" + spaces.Data[0].ID
	was = b.was(page)
	must[latchkey.Namespace](t)(c.Ratelimits.UpdateNamespace(ctx, latchkey.UpdateNamespaceRequest{
		Namespace: "space", WhenDegraded: latchkey.Set(latchkey.WhenDegraded("refuse")),
	}))
	a = b.post(page, "once", "5", "was", was, "whenDegraded", "share",
		"algorithm", "token_bucket")
	spaces = must[latchkey.Page[latchkey.Namespace]](t)(c.Ratelimits.ListNamespaces(ctx,
		latchkey.ListNamespacesRequest{}))
	if n := spaces.Data[0]; a.leads() != page || n.WhenDegraded != "refuse" ||
		n.Algorithm != "token_bucket" {
		t.Errorf("%d: the namespace is %+v", a.status, n)
	}
}
