package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

func (w *world) newWorkspace(name string) string {
	w.t.Helper()
	return must[latchkey.CreatedWorkspace](w, w.who, "workspaces.createWorkspace",
		latchkey.CreateWorkspaceRequest{Name: name}).WorkspaceID
}

func TestWorkspacesAreTheOperatorsOnly(t *testing.T) {
	w := newWorld(t)
	id := w.newWorkspace("other")
	mighty := w.grant(append(latchkey.AllPermissions(), w.resource("**", "*"))...)
	for name, request := range map[string]any{
		"workspaces.createWorkspace": latchkey.CreateWorkspaceRequest{Name: "mine"},
		"workspaces.getWorkspace":    latchkey.GetWorkspaceRequest{WorkspaceID: id},
		"workspaces.listWorkspaces":  latchkey.ListWorkspacesRequest{},
		"workspaces.updateWorkspace": latchkey.UpdateWorkspaceRequest{WorkspaceID: id},
		"workspaces.deleteWorkspace": latchkey.DeleteWorkspaceRequest{WorkspaceID: id},
	} {
		w.refused(mighty, name, request, 403, "insufficient_permissions")
	}
}

func TestGetWorkspaceReturnsWhatWasSet(t *testing.T) {
	w := newWorld(t)
	id := must[latchkey.CreatedWorkspace](w, w.who, "workspaces.createWorkspace",
		latchkey.CreateWorkspaceRequest{
			Name: "Acme", RequestsPerMinute: latchkey.Set(int64(0)),
		}).WorkspaceID
	read := func() latchkey.Workspace {
		return must[latchkey.Workspace](w, w.who, "workspaces.getWorkspace",
			latchkey.GetWorkspaceRequest{WorkspaceID: id})
	}
	usual, err := effectiveQuotas("")
	if err != nil {
		t.Fatal(err)
	}
	want := latchkey.Workspace{
		ID: id, Name: "Acme", Enabled: true, RequestsPerMinute: latchkey.Set(int64(0)),
		Quotas:    usual,
		CreatedAt: latchkey.At(start),
	}
	same := func(got latchkey.Workspace) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(latchkey.Opt[int64]{})); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	same(read())
	update := func(r latchkey.UpdateWorkspaceRequest) latchkey.Workspace {
		r.WorkspaceID = id
		return must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace", r)
	}
	want.Name, want.Enabled, want.RequestsPerMinute = "Acme Inc", false, latchkey.Opt[int64]{}
	same(update(latchkey.UpdateWorkspaceRequest{
		Name: latchkey.Set("Acme Inc"), Enabled: latchkey.Set(false),
		RequestsPerMinute: latchkey.Null[int64](),
	}))
	same(update(latchkey.UpdateWorkspaceRequest{}))
	same(read())
}

func TestWorkspacesAreFoundByNameAndID(t *testing.T) {
	w := newWorld(t)
	acme, plain := w.newWorkspace("Acme 100%_"), w.newWorkspace("Plain")
	for search, want := range map[string][]string{
		"ACME": {acme}, "100%": {acme}, "%_": {acme}, plain: {plain}, " plain ": {plain},
		"nobody": {}, "_%": {},
	} {
		got := []string{}
		for _, ws := range must[[]latchkey.Workspace](
			w, w.who, "workspaces.listWorkspaces", latchkey.ListWorkspacesRequest{Search: search},
		) {
			got = append(got, ws.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("search %q: (-want +got)\n%s", search, diff)
		}
	}
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{WorkspaceID: plain, Name: latchkey.Set("Renamed")})
	if got := must[[]latchkey.Workspace](
		w, w.who, "workspaces.listWorkspaces", latchkey.ListWorkspacesRequest{Search: "plain"},
	); len(got) != 0 {
		t.Errorf("the old name still finds %v", got)
	}
	whole := whole[latchkey.Workspace](w, w.who, "workspaces.listWorkspaces", func(
		cursor string,
	) any {
		return latchkey.ListWorkspacesRequest{Limit: 1, Cursor: cursor}
	})
	if !slices.IsSortedFunc(whole, func(a, b latchkey.Workspace) int {
		return strings.Compare(a.ID, b.ID)
	}) || len(whole) != 3 {
		t.Errorf("one by one: %v", whole)
	}
}

func TestDisabledWorkspaceIsRejectedUntilItIsEnabled(t *testing.T) {
	w := newWorld(t)
	id := w.newWorkspace("other")
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		WorkspaceID: id, Permissions: latchkey.AllPermissions(),
	}).Key
	key := w.keyIn(root)
	set := func(enabled bool) {
		must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
			latchkey.UpdateWorkspaceRequest{WorkspaceID: id, Enabled: latchkey.Set(enabled)})
	}
	for _, step := range []struct {
		enabled      bool
		refusal      string
		verification latchkey.Code
	}{
		{true, "", latchkey.Valid}, {false, "workspace_disabled", latchkey.Forbidden},
		{true, "", latchkey.Valid},
	} {
		who := w.caller(root)
		set(step.enabled)
		if got := w.authenticates(root); got != step.refusal {
			t.Errorf("enabled %v: the root key is refused with %q, want %q", step.enabled, got,
				step.refusal)
		}
		if got := must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key,
		}); got.Code != step.verification {
			t.Errorf("enabled %v: the key verifies as %s, want %s", step.enabled, got.Code,
				step.verification)
		}
		set(true)
	}
}

func TestDeletedWorkspaceIsRejectedAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.newWorkspace("other")
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		WorkspaceID: id, Permissions: latchkey.AllPermissions(),
	})
	key, who := w.keyIn(root.Key), w.caller(root.Key)
	deleting := latchkey.DeleteWorkspaceRequest{WorkspaceID: id}
	must[latchkey.Empty](w, w.who, "workspaces.deleteWorkspace", deleting)

	if got := w.authenticates(root.Key); got != "workspace_not_found" {
		t.Errorf("its root key is refused with %q", got)
	}
	if got := must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key,
	}); got.Code != latchkey.NotFound {
		t.Errorf("its key verifies as %s", got.Code)
	}
	w.refused(w.who, "workspaces.deleteWorkspace", deleting, 404, "workspace_not_found")
	w.refused(w.who, "workspaces.getWorkspace", latchkey.GetWorkspaceRequest{WorkspaceID: id}, 404,
		"workspace_not_found")
	w.refused(w.who, "workspaces.updateWorkspace", latchkey.UpdateWorkspaceRequest{WorkspaceID: id},
		404, "workspace_not_found")
	w.refused(w.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{WorkspaceID: id, Permissions: []string{}}, 404,
		"workspace_not_found")
	w.refused(w.who, "rootKeys.deleteRootKey",
		latchkey.DeleteRootKeyRequest{RootKeyID: root.RootKeyID}, 404, "key_not_found")
	if list := must[[]latchkey.Workspace](
		w, w.who, "workspaces.listWorkspaces", latchkey.ListWorkspacesRequest{},
	); len(list) != 1 {
		t.Errorf("still listed: %v", list)
	}
}

func TestCallersOwnWorkspaceIsProtected(t *testing.T) {
	w := newWorld(t)
	w.refused(w.who, "workspaces.deleteWorkspace",
		latchkey.DeleteWorkspaceRequest{WorkspaceID: w.who.WorkspaceID()}, 412,
		"protected_resource")
}

func TestWorkspaceChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	id := w.newWorkspace("other")
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{WorkspaceID: id, Name: latchkey.Set("renamed")})
	must[latchkey.Empty](w, w.who, "workspaces.deleteWorkspace", latchkey.DeleteWorkspaceRequest{
		WorkspaceID: id,
	})
	logs := w.auditLogs(w.who.WorkspaceID())
	for i, want := range []struct{ event, name string }{
		{"workspace.delete", "renamed"}, {"workspace.update", "renamed"},
		{"workspace.create", "other"},
	} {
		target := []latchkey.AuditTarget{{Type: "workspace", ID: id, Name: want.name}}
		if logs[i].Event != want.event || !cmp.Equal(logs[i].Targets, target) {
			t.Errorf("record %d is %+v, want %s of %v", i, logs[i], want.event, target)
		}
	}
}

// keyIn makes a key in the workspace of a root key.
func (w *world) keyIn(root string) string {
	w.t.Helper()
	who := w.caller(root)
	api := must[latchkey.CreatedAPI](w, who, "apis.createApi", latchkey.CreateAPIRequest{
		Name: "test",
	})
	return must[latchkey.CreatedKey](w, who, "keys.createKey", latchkey.CreateKeyRequest{
		APIID: api.APIID,
	}).Key
}
