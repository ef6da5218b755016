package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
)

// keyspace returns the keyspace of an API.
func (w *world) keyspace(api string) string {
	w.t.Helper()
	return must[latchkey.APISettings](w, w.who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: api}).KeyspaceID
}

// createPortal makes a portal of an API, in the workspace of the caller, and returns its id.
func (w *world) createPortal(who Caller, api, slug string) string {
	w.t.Helper()
	keyspace := must[latchkey.APISettings](w, who, "apis.updateApi",
		latchkey.UpdateAPIRequest{APIID: api}).KeyspaceID
	return must[latchkey.CreatedPortal](w, who, "portal.createPortal",
		latchkey.CreatePortalRequest{
			Slug: slug, DisplayName: "A portal", KeyspaceID: keyspace,
		}).PortalID
}

// newPortal makes a portal of an API and returns its id.
func (w *world) newPortal(api, slug string) string {
	w.t.Helper()
	return w.createPortal(w.who, api, slug)
}

// TestPortalsAreFoundByIDSlugAndKeyspace: a portal is what was asked for, whatever finds it.
func TestPortalsAreFoundByIDSlugAndKeyspace(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	keyspace := w.keyspace(api)
	id := must[latchkey.CreatedPortal](w, w.who, "portal.createPortal",
		latchkey.CreatePortalRequest{
			Slug: "shop", DisplayName: "  Shop ", KeyspaceID: keyspace,
			Enabled: latchkey.Set(false), LogoURL: "https://shop.example/logo.png",
			PrimaryColor: "#00aaFF",
		}).PortalID
	want := latchkey.Portal{
		ID: id, Slug: "shop", DisplayName: "Shop", KeyspaceID: keyspace,
		CreatedAt: latchkey.AtMilli(start.UnixMilli()),
		Branding: &latchkey.PortalBranding{
			LogoURL: "https://shop.example/logo.png", PrimaryColor: "#00aaFF",
		},
	}
	for _, by := range []latchkey.GetPortalRequest{
		{Portal: id}, {Portal: "shop"}, {KeyspaceID: keyspace},
	} {
		got := must[latchkey.Portal](w, w.who, "portal.getPortal", by)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(latchkey.Time{})); diff != "" {
			t.Errorf("by %+v: %s", by, diff)
		}
	}
	stranger := w.otherWorkspace()
	for _, name := range []string{id, "shop"} {
		w.refused(stranger, "portal.getPortal", latchkey.GetPortalRequest{Portal: name},
			404, "portal_not_found")
	}
	w.refused(stranger, "portal.getPortal", latchkey.GetPortalRequest{KeyspaceID: keyspace},
		404, "portal_not_found")
}

// TestPortalsKeepTheirNamesApart: a slug has one portal in a workspace, and a keyspace one at
// all, created, renamed or pointed there; what is deleted is free again.
func TestPortalsKeepTheirNamesApart(t *testing.T) {
	w := newWorld(t)
	one, two := w.newAPI(), w.newAPI()
	w.newPortal(one, "one")
	create := func(slug, keyspace string) latchkey.CreatePortalRequest {
		return latchkey.CreatePortalRequest{Slug: slug, DisplayName: "A", KeyspaceID: keyspace}
	}
	w.refused(w.who, "portal.createPortal", create("one", w.keyspace(two)),
		409, "portal_already_exists")
	w.refused(w.who, "portal.createPortal", create("two", w.keyspace(one)),
		409, "portal_already_exists")
	w.newPortal(two, "two")
	w.refused(w.who, "portal.updatePortal",
		latchkey.UpdatePortalRequest{Portal: "two", Slug: latchkey.Set("one")},
		409, "portal_already_exists")
	w.refused(w.who, "portal.updatePortal",
		latchkey.UpdatePortalRequest{Portal: "two", KeyspaceID: latchkey.Set(w.keyspace(one))},
		409, "portal_already_exists")
	must[latchkey.Portal](w, w.who, "portal.updatePortal",
		latchkey.UpdatePortalRequest{Portal: "two", Slug: latchkey.Set("two"),
			KeyspaceID: latchkey.Set(w.keyspace(two))})
	must[latchkey.Empty](w, w.who, "portal.deletePortal",
		latchkey.DeletePortalRequest{Portal: "one"})
	w.newPortal(one, "one")
	must[latchkey.Empty](w, w.who, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: one})
	w.refused(w.who, "portal.getPortal", latchkey.GetPortalRequest{Portal: "one"},
		404, "portal_not_found")
	w.newPortal(w.newAPI(), "one")
	other := w.otherWorkspace()
	w.createPortal(other, must[latchkey.CreatedAPI](w, other, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "test"}).APIID, "one")
}

// TestUpdatedPortalsChangeWhatTheRequestNames: the rest stays, and a request that changes
// nothing writes nothing.
func TestUpdatedPortalsChangeWhatTheRequestNames(t *testing.T) {
	w := newWorld(t)
	w.newPortal(w.newAPI(), "shop")
	before := must[latchkey.Portal](w, w.who, "portal.getPortal",
		latchkey.GetPortalRequest{Portal: "shop"})
	update := func(r latchkey.UpdatePortalRequest) latchkey.Portal {
		t.Helper()
		r.Portal = before.ID
		return must[latchkey.Portal](w, w.who, "portal.updatePortal", r)
	}
	w.advance(time.Second)
	if diff := cmp.Diff(before, update(latchkey.UpdatePortalRequest{
		DisplayName: latchkey.Set("A portal"),
	}), cmpopts.EquateComparable(latchkey.Time{})); diff != "" {
		t.Errorf("nothing changed: %s", diff)
	}
	other := w.keyspace(w.newAPI())
	after := update(latchkey.UpdatePortalRequest{
		Slug: latchkey.Set("store"), KeyspaceID: latchkey.Set(other),
		Enabled: latchkey.Set(false), PrimaryColor: latchkey.Set("#123456"),
	})
	want := before
	want.Slug, want.KeyspaceID, want.Enabled = "store", other, false
	want.Branding = &latchkey.PortalBranding{PrimaryColor: "#123456"}
	want.UpdatedAt = latchkey.AtMilli(start.Add(time.Second).UnixMilli())
	if diff := cmp.Diff(want, after, cmpopts.EquateComparable(latchkey.Time{})); diff != "" {
		t.Error(diff)
	}
	if got := update(latchkey.UpdatePortalRequest{
		PrimaryColor: latchkey.Null[string](),
	}); got.Branding != nil {
		t.Errorf("%+v is left", got.Branding)
	}
}

// TestPortalsShowNoOthersKeyspaces: who can't read an API can't point a portal at it, and
// keyspaces of other workspaces don't exist.
func TestPortalsShowNoOthersKeyspaces(t *testing.T) {
	w := newWorld(t)
	one, two := w.newAPI(), w.newAPI()
	who := w.grant("portal.*.create_portal", "portal.*.update_portal", "portal.*.read_portal",
		"api."+one+".read_api")
	create := func(keyspace string) latchkey.CreatePortalRequest {
		return latchkey.CreatePortalRequest{Slug: "mine", DisplayName: "A", KeyspaceID: keyspace}
	}
	w.refused(who, "portal.createPortal", create(w.keyspace(two)), 403, "insufficient_permissions")
	w.refused(w.otherWorkspace(), "portal.createPortal", create(w.keyspace(two)),
		404, "key_space_not_found")
	must[latchkey.CreatedPortal](w, who, "portal.createPortal", create(w.keyspace(one)))
	w.refused(who, "portal.updatePortal", latchkey.UpdatePortalRequest{
		Portal: "mine", KeyspaceID: latchkey.Set(w.keyspace(two)),
	}, 403, "insufficient_permissions")
	w.refused(w.who, "portal.createPortal", latchkey.CreatePortalRequest{
		Slug: "app", DisplayName: "A", AppID: "app_1",
	}, 404, "app_not_found")
}
