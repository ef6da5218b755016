package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
	"pgregory.net/rapid"
)

// TestImportGivesBackWhatWasExported: a workspace that an export is imported into has the same
// export, but for the ids and times that the service chooses.
func TestImportGivesBackWhatWasExported(t *testing.T) {
	service := latchkeytest.New(t)
	workspace := func(rt *rapid.T) *latchkey.Client {
		made, err := service.Client.Workspaces.Create(t.Context(),
			latchkey.CreateWorkspaceRequest{Name: "one of many"})
		orFail(rt, err)
		root, err := service.Client.RootKeys.Create(t.Context(), latchkey.CreateRootKeyRequest{
			WorkspaceID: made.WorkspaceID, Permissions: latchkey.AllPermissions(),
		})
		orFail(rt, err)
		client, err := latchkey.New(latchkey.Config{
			Transport: service.Transport, RootKey: root.Key,
		})
		orFail(rt, err)
		return client
	}
	rapid.Check(t, func(rt *rapid.T) {
		from, to := workspace(rt), workspace(rt)
		populate(rt, from)
		first := exported(rt, from)
		m := imported(rt, to, first)
		if m.rejected != 0 || m.there != 0 {
			rt.Fatalf("%d lines were not taken, %d keys were there", m.rejected, m.there)
		}
		second := exported(rt, to)
		if diff := cmp.Diff(essence(rt, first), essence(rt, second)); diff != "" {
			rt.Fatalf("(-exported +imported)\n%s", diff)
		}
		if again := imported(rt, to, second); again.keys != 0 || again.there != m.keys {
			rt.Fatalf("the second time: %d keys imported, %d were there, want %d",
				again.keys, again.there, m.keys)
		}
		if diff := cmp.Diff(essence(rt, second), essence(rt, exported(rt, to))); diff != "" {
			rt.Fatalf("a repeated import changed something\n%s", diff)
		}
	})
}

func orFail(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// populate makes things in a workspace.
func populate(t *rapid.T, c *latchkey.Client) {
	ctx := context.Background()
	some := func(name string) bool { return rapid.Bool().Draw(t, name) }
	text := rapid.StringMatching(`[a-zé"\\ <]{1,12}x`)
	slugs := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.b", "a.*", "c", "d:e"}), 0, 3,
		rapid.ID[string])
	limits := func(name string) (list []latchkey.RatelimitRequest) {
		for _, limit := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"one", "two"}), 0, 2,
			rapid.ID[string]).Draw(t, name) {
			list = append(list, latchkey.RatelimitRequest{
				Name: limit, Limit: rapid.Int64Range(1, 1<<62).Draw(t, "limit"),
				Duration:  latchkey.PerMilli(rapid.Int64Range(1000, 1<<50).Draw(t, "duration")),
				AutoApply: latchkey.Set(some("auto")),
				Algorithm: rapid.SampledFrom([]latchkey.Algorithm{"", "token_bucket"}).Draw(t, "how"),
			})
		}
		return list
	}
	meta := func() latchkey.Meta {
		return rapid.SampledFrom([]latchkey.Meta{
			"", `{"a":"<&é"}`, `{"n":12345678901234567890.10,"x":{"y":[1]}}`,
		}).Draw(t, "meta")
	}
	roles := []string{}
	for range rapid.IntRange(0, 2).Draw(t, "roles") {
		name := fmt.Sprint(text.Draw(t, "role"), len(roles))
		_, err := c.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
			Name: name, Description: text.Draw(t, "about"), Permissions: slugs.Draw(t, "of role"),
		})
		orFail(t, err)
		roles = append(roles, name)
	}
	owners := []string{"", "new"}
	if some("identity") {
		owners = append(owners, "old")
		_, err := c.Identities.Create(ctx, latchkey.CreateIdentityRequest{
			ExternalID: "old", Meta: meta(), Ratelimits: limits("of identity"),
		})
		orFail(t, err)
		_, err = c.Identities.Update(ctx, latchkey.UpdateIdentityRequest{
			Identity: "old", Enabled: latchkey.Set(some("identity enabled")),
		})
		orFail(t, err)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "apis") {
		api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{
			Name: fmt.Sprint(text.Draw(t, "api"), i, "api"),
		})
		orFail(t, err)
		update := latchkey.UpdateAPIRequest{APIID: api.APIID,
			DeleteProtection: latchkey.Set(some("protected")), StrictGrants: latchkey.Set(some("strict")),
			StoreEncryptedKeys: latchkey.Set(some("encrypted"))}
		if some("defaults") {
			update.DefaultPrefix, update.DefaultBytes = latchkey.Set("pre"), latchkey.Set(20)
			update.IPWhitelist = latchkey.Set([]string{"10.0.0.0/8", "::1"})
		}
		_, err = c.APIs.Update(ctx, update)
		orFail(t, err)
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			r := latchkey.CreateKeyRequest{APIID: api.APIID, Meta: meta(), Ratelimits: limits("of key"),
				ExternalID:  rapid.SampledFrom(owners).Draw(t, "owner"),
				Permissions: slugs.Draw(t, "of key"), Enabled: latchkey.Set(some("enabled"))}
			if len(roles) > 0 && some("has role") {
				r.Roles = roles[:1]
			}
			if some("named") {
				r.Name, r.Prefix = text.Draw(t, "name"), "sk"
				r.Expires = latchkey.AtMilli(rapid.Int64Range(2e12, 4102444800000).Draw(t, "expires"))
			}
			if some("credits") {
				r.Credits = &latchkey.Credits{
					Remaining: latchkey.Set(rapid.Int64Range(0, 1<<62).Draw(t, "balance")),
				}
				if some("refill") {
					r.Credits.Refill = &latchkey.Refill{
						Interval: latchkey.Monthly, Amount: 7, RefillDay: rapid.IntRange(1, 31).Draw(t, "day"),
					}
				}
			}
			_, err := c.Keys.Create(ctx, r)
			orFail(t, err)
		}
	}
	if some("namespace") {
		_, err := c.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: "calls", Identifier: "u", Limit: 5, Duration: latchkey.PerMilli(1000),
		})
		orFail(t, err)
		_, err = c.Ratelimits.UpdateNamespace(ctx, latchkey.UpdateNamespaceRequest{
			Namespace: "calls", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse),
		})
		orFail(t, err)
		_, err = c.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
			Namespace: "calls", Identifier: "u*", Limit: latchkey.Set[int64](0),
			Duration: latchkey.PerMilli(1000),
		})
		orFail(t, err)
	}
}

func exported(t *rapid.T, c *latchkey.Client) string {
	var text bytes.Buffer
	x := &exporter{client: c, out: bufio.NewWriter(&text)}
	orFail(t, x.all(context.Background(), &exportCmd{}))
	return text.String()
}

func imported(t *rapid.T, c *latchkey.Client, text string) *importer {
	a := &app{stdout: io.Discard, stderr: io.Discard}
	m := &importer{app: a, client: c, migrations: map[string]string{},
		cmd: &importCmd{Hash: string(latchkey.MigrateSHA256)}}
	orFail(t, m.read(context.Background(), bufio.NewReader(strings.NewReader(text)), false))
	orFail(t, m.flush(context.Background()))
	return m
}

// essence returns the lines of an export in an order of their own, without what the service
// chooses: ids, which are replaced by the place of the API where they say something, and times.
func essence(t *rapid.T, text string) (lines []string) {
	apis := map[any]string{}
	for line := range strings.Lines(text) {
		var fields map[string]any
		dec := json.NewDecoder(strings.NewReader(line))
		dec.UseNumber()
		orFail(t, dec.Decode(&fields))
		if fields["kind"] == kindAPI {
			apis[fields["id"]] = fields["name"].(string)
		}
		fields["apiId"] = apis[fields["apiId"]]
		forget(fields)
		canonical, err := json.Marshal(fields)
		orFail(t, err)
		lines = append(lines, string(canonical))
	}
	slices.Sort(lines)
	return lines
}

// forget removes ids and times.
func forget(fields map[string]any) {
	for name, value := range fields {
		switch name {
		case "id", "keyId", "keyspaceId", "overrideId", "createdAt", "exportedAt":
			delete(fields, name)
		}
		if list, ok := value.([]any); ok {
			for _, item := range list {
				if inner, ok := item.(map[string]any); ok {
					forget(inner)
				}
			}
		}
	}
}
