package ui_test

import (
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// TestTheMatrixChangesWhatWasChanged: a role keeps what others changed while the form was open,
// and a cell that wasn't touched is sent to nobody.
func TestTheMatrixChangesWhatWasChanged(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	held := func(role string) string {
		r, err := w.Client.Permissions.GetRole(t.Context(), latchkey.GetRoleRequest{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		var slugs []string
		for _, p := range r.Permissions {
			slugs = append(slugs, p.Slug)
		}
		return strings.Join(slugs, " ")
	}
	id := func(role string) string {
		r, err := w.Client.Permissions.GetRole(t.Context(), latchkey.GetRoleRequest{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	b.post("/access/roles", "once", "1", "name", "editor", "permissions", "docs.read docs.write")
	b.post("/access/roles", "once", "2", "name", "admin", "permissions", "docs.*")
	b.post("/access/permissions", "once", "3", "slug", "docs.share")
	if a := b.post("/access/permissions", "once", "4", "slug", "docs.share"); a.status != 422 {
		t.Errorf("a second permission of the slug: %d", a.status)
	}
	if a := b.get("/access"); !strings.Contains(a.text, "covered by docs.*") {
		t.Errorf("the matrix: %d", a.status)
	}
	if _, err := w.Client.Permissions.SetRolePermissions(t.Context(),
		latchkey.SetRolePermissionsRequest{
			Role: "editor", Permissions: []string{"docs.read", "docs.write", "docs.print"},
		}); err != nil {
		t.Fatal(err)
	}
	editor := id("editor")
	a := b.post("/access", "shown", "1 "+editor+" docs.read", "shown", "1 "+editor+" docs.write",
		"shown", "0 "+editor+" docs.share", "has", editor+" docs.read", "has", editor+" docs.share")
	if got := held("editor"); got != "docs.print docs.read docs.share" || a.leads() != "/access" {
		t.Errorf("%d: the editor has %s", a.status, got)
	}
	a = b.post("/access", "shown", "0 zzz docs.read", "has", "zzz docs.read",
		"shown", "1 "+editor+" docs.print")
	if got := held("editor"); got != "docs.read docs.share" || a.status != 422 ||
		!strings.Contains(a.text, "1 role was saved before that.") {
		t.Errorf("%d: the editor has %s", a.status, got)
	}
	if got := held("admin"); got != "docs.*" {
		t.Errorf("the admin has %s", got)
	}
	b.post("/access/delete", "once", "5", "of", "role", "name", "editor")
	b.post("/access/delete", "once", "6", "of", "permission", "name", "docs.share")
	b.get("/access") // which says what was done
	if a := b.get("/access"); strings.Contains(a.text, ">editor<") ||
		strings.Contains(a.text, "docs.share") {
		t.Errorf("deleted: %d", a.status)
	}
	if a := b.post("/access/delete", "once", "7", "of", "role", "name", "editor"); a.status != 422 {
		t.Errorf("again: %d", a.status)
	}
}
