package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// roles creates permissions and the roles that have them.
func (d *demo) roles(ctx context.Context) error {
	for _, p := range [][2]string{
		{"geocode.batch", "Geocode many addresses in one call"},
		{"documents.read", "See documents"},
		{"documents.write", "Create and change documents"},
		{"documents.delete", "Delete documents for ever"},
		{"exports.create", "Begin an export"},
		{"exports.read", "Download an export"},
	} {
		if _, err := d.Permissions.Create(ctx, latchkey.CreatePermissionRequest{
			Name: p[0], Slug: p[0], Description: p[1],
		}); err != nil {
			return err
		}
	}
	for _, r := range []latchkey.CreateRoleRequest{
		{Name: "reader", Description: "Sees everything, changes nothing",
			Permissions: []string{"documents.read", "exports.read"}},
		{Name: "editor", Description: "Works on documents",
			Permissions: []string{"documents.read", "documents.write"}},
		{Name: "exporter", Description: "Moves data out at night",
			Permissions: []string{"documents.read", "exports.create", "exports.read"}},
	} {
		if _, err := d.Permissions.CreateRole(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// customers are the owners of keys, with their plans and shared limits a minute.
var customers = []struct {
	id, plan  string
	perMinute int64
}{
	{"acct_oddlane", "scale", 6000}, {"acct_fenmoor", "team", 3000},
	{"acct_pellworth", "team", 40}, {"acct_tinderby", "free", 600}, {"acct_gristmill", "free", 600},
}

func (d *demo) identities(ctx context.Context) error {
	for _, c := range customers {
		if _, err := d.Identities.Create(ctx, latchkey.CreateIdentityRequest{
			ExternalID: c.id,
			Meta:       latchkey.Meta(fmt.Sprintf(`{"plan":%q,"region":"eu"}`, c.plan)),
			Ratelimits: []latchkey.RatelimitRequest{perMinute("per-minute", c.perMinute)},
		}); err != nil {
			return err
		}
	}
	return nil
}

func perMinute(name string, limit int64) latchkey.RatelimitRequest {
	return latchkey.RatelimitRequest{
		Name: name, Limit: limit, Duration: latchkey.Per(time.Minute),
		AutoApply: latchkey.Set(true),
	}
}

func credits(n int64) *latchkey.Credits {
	return &latchkey.Credits{
		Remaining: latchkey.Set(n),
		Refill:    &latchkey.Refill{Interval: latchkey.Monthly, Amount: n, RefillDay: 1},
	}
}

func (d *demo) keys(ctx context.Context) error {
	apis := map[string]string{}
	for _, name := range []string{"geocoding", "documents", "render"} {
		api, err := d.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: name})
		if err != nil {
			return err
		}
		apis[name] = api.APIID
	}
	for i, k := range []struct {
		latchkey.CreateKeyRequest
		user
	}{
		{latchkey.CreateKeyRequest{Name: "nightly-export", ExternalID: "acct_fenmoor",
			Roles: []string{"exporter"}, Credits: credits(2600)},
			user{perDay: 4200, tags: []string{"path=/batch"}, asks: "exports.create"}},
		{latchkey.CreateKeyRequest{Name: "web checkout", ExternalID: "acct_oddlane"},
			user{perDay: 9000, tags: []string{"path=/search"}}},
		{latchkey.CreateKeyRequest{Name: "mobile app", ExternalID: "acct_oddlane"},
			user{perDay: 7000, tags: []string{"path=/search"}}},
		{latchkey.CreateKeyRequest{Name: "etl-west", ExternalID: "acct_tinderby",
			Permissions: []string{"geocode.batch"},
			Ratelimits:  []latchkey.RatelimitRequest{perMinute("requests", 200)}},
			user{perDay: 3000, tags: []string{"path=/batch"}, asks: "geocode.batch"}},
		{latchkey.CreateKeyRequest{Name: "partner sandbox", ExternalID: "acct_pellworth",
			Expires: latchkey.At(d.now.Add(18 * time.Hour)), Roles: []string{"reader"}},
			user{perDay: 1500, asks: "documents.read"}},
		{latchkey.CreateKeyRequest{Name: "reports-cron", ExternalID: "acct_gristmill",
			Roles: []string{"reader"}}, user{perDay: 600, asks: "documents.write"}},
		{latchkey.CreateKeyRequest{Name: "old integration", ExternalID: "acct_gristmill",
			Expires: latchkey.At(d.now.Add(-2 * time.Hour))}, user{perDay: 500}},
		{latchkey.CreateKeyRequest{Name: "left the company", Enabled: latchkey.Set(false)},
			user{perDay: 200}},
	} {
		k.APIID, k.Prefix, k.Meta = apis["geocoding"], "wx_live", `{"team":"maps"}`
		made, err := d.Keys.Create(ctx, k.CreateKeyRequest)
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		if i == 3 { // a change to see in the audit log
			if err := d.Keys.Update(ctx, latchkey.UpdateKeyRequest{
				KeyID:      made.KeyID,
				Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{perMinute("requests", 300)}),
			}); err != nil {
				return err
			}
		}
		k.key = made.Key
		d.users = append(d.users, k.user)
	}
	// Enough keys that lists have pages, made over the days that there have been.
	for i := range 120 {
		d.at(d.now.Add(-age + time.Duration(i+1)*(age-traffic)/121))
		api := []string{"geocoding", "geocoding", "documents"}[i%3]
		if _, err := d.Keys.Create(ctx, latchkey.CreateKeyRequest{
			APIID: apis[api], Prefix: "wx_test", Name: fmt.Sprintf("preview %03d", i+1),
			ExternalID: customers[i%len(customers)].id,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) limits(ctx context.Context) error {
	for _, name := range []string{"uploads", "geocode.batch", "signups"} {
		if _, err := d.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: name, Identifier: "acct_oddlane", Limit: 50,
			Duration: latchkey.Per(time.Hour),
		}); err != nil {
			return err
		}
	}
	for identifier, limit := range map[string]int64{"acct_*": 100, "acct_oddlane": 500, "bot_*": 0} {
		if _, err := d.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
			Namespace: "uploads", Identifier: identifier, Limit: latchkey.Set(limit),
			Duration: latchkey.Per(time.Hour),
		}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) rootKeys(ctx context.Context) error {
	for _, r := range []latchkey.CreateRootKeyRequest{
		{Name: "gateway", Permissions: []string{"api.*.verify_key"}},
		{Name: "support-desk", Expires: latchkey.At(d.now.Add(90 * 24 * time.Hour)),
			Permissions: []string{"api.*.read_api", "api.*.read_key", "api.*.update_key"}},
		{Name: "terraform", Permissions: latchkey.AllPermissions()},
	} {
		if _, err := d.RootKeys.Create(ctx, r); err != nil {
			return err
		}
	}
	if _, err := d.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{
		Name: "Wexholm staging", RequestsPerMinute: latchkey.Set[int64](6000),
	}); err != nil {
		return err
	}
	_, err := d.Webhooks.Create(ctx, latchkey.CreateWebhookRequest{
		URL: "https://hooks.example.com/latchkey", Description: "tells support",
		Events: []string{latchkey.EventKeyCreditsLow, latchkey.EventKeyExpiring},
	})
	return err
}

// portal creates the page on which customers see their own keys.
func (d *demo) portal(ctx context.Context) error {
	for api, err := range d.APIs.All(ctx, latchkey.ListAPIsRequest{}) {
		if err != nil {
			return err
		}
		if api.Name == "geocoding" {
			_, err := d.Portals.Create(ctx, latchkey.CreatePortalRequest{
				Slug: "wexholm", DisplayName: "Wexholm", KeyspaceID: api.KeyspaceID,
				PrimaryColor: "#0a7f5a",
			})
			return err
		}
	}
	return fmt.Errorf("no API geocoding")
}
