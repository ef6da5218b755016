package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
)

// refusal runs an operation that has to be refused and returns why.
func (w *world) refusal(who Caller, name string, request any) *latchkey.Error {
	w.t.Helper()
	_, err := w.do(who, name, request)
	var refusal *latchkey.Error
	if !errors.As(err, &refusal) {
		w.t.Fatalf("%s: error %v, want a refusal", name, err)
	}
	return refusal
}

func (w *world) newRootKey(who Caller, r latchkey.CreateRootKeyRequest) latchkey.CreatedRootKey {
	w.t.Helper()
	return must[latchkey.CreatedRootKey](w, who, "rootKeys.createRootKey", r)
}

// authenticates returns the code that a root key is refused with, "" if it isn't.
func (w *world) authenticates(token string) string {
	w.t.Helper()
	err := w.authenticate(w.t.Context(), token, new(Caller))
	if err == nil {
		return ""
	}
	var refusal *latchkey.Error
	if !errors.As(err, &refusal) {
		w.t.Fatal(err)
	}
	return refusal.Code()
}

func TestRootKeyIsListedWithoutItsSecret(t *testing.T) {
	w := newWorld(t)
	const a, b = "api.*.create_api", "api.*.read_api"
	asked := []string{b, a, b}
	request := latchkey.CreateRootKeyRequest{
		Name: "ci", Permissions: asked, Expires: latchkey.At(start.Add(time.Hour)),
	}
	made, err := w.CreateRootKey(t.Context(), w.who.calling("rootKeys.createRootKey"), &request)
	if err != nil || !strings.HasPrefix(made.Key, "latchkey_") {
		t.Fatalf("%+v, %v", made, err)
	}
	if !slices.Equal(asked, []string{b, a, b}) {
		t.Errorf("the request was changed to %v", asked)
	}
	list := must[[]latchkey.RootKey](w, w.who, "rootKeys.listRootKeys",
		latchkey.ListRootKeysRequest{})
	i := slices.IndexFunc(list, func(k latchkey.RootKey) bool { return k.ID == made.RootKeyID })
	want := latchkey.RootKey{
		ID: made.RootKeyID, WorkspaceID: w.who.WorkspaceID(), Name: "ci",
		Start:       made.Key[:len("latchkey_")+4],
		Permissions: []string{a, b}, Enabled: true, Expires: latchkey.At(start.Add(time.Hour)),
		CreatedAt: latchkey.At(start),
	}
	if i < 0 {
		t.Fatalf("the new root key is not listed: %v", list)
	}
	if diff := cmp.Diff(want, list[i]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRootKeyGrantsOnlyItsOwnPermissions(t *testing.T) {
	w := newWorld(t)
	covering := w.resource("keyspaces/**", "read_key")
	who := w.grant("root_key.*.create_root_key", "api.*.read_api", covering)
	for permission, may := range map[string]bool{
		"api.*.read_api":             true,
		"root_key.*.create_root_key": true,
		covering:                     true,
		w.resource("keyspaces/ks_1/keys/*", "read_key"):   true,
		w.resource("keyspaces/ks_1/keys/*", "update_key"): false,
		w.resource("**", "*"):                             false,
		"api.*.delete_api":                                false,
		"api.api_1.read_api":                              true,
		"api.api_1.delete_api":                            false,
		rbac.Operator:                                     false,
		"*":                                               false,
	} {
		r := latchkey.CreateRootKeyRequest{Permissions: []string{"api.*.read_api", permission}}
		if may {
			w.newRootKey(who, r)
		} else {
			w.refused(who, "rootKeys.createRootKey", r, 403, "insufficient_permissions")
		}
	}
}

func TestChangingARootKeyNeedsAllOfItsPermissions(t *testing.T) {
	w := newWorld(t)
	target := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api", "api.*.delete_api"},
	})
	weaker := w.grant("root_key.*.update_root_key", "root_key.*.delete_root_key", "api.*.read_api")
	equal := w.grant("root_key.*.update_root_key", "root_key.*.delete_root_key", "api.*.read_api",
		"api.*.delete_api")
	update := func(permissions ...string) latchkey.UpdateRootKeyRequest {
		return latchkey.UpdateRootKeyRequest{
			RootKeyID: target.RootKeyID, Permissions: latchkey.Set(permissions),
		}
	}
	deleting := latchkey.DeleteRootKeyRequest{RootKeyID: target.RootKeyID}

	w.refused(weaker, "rootKeys.updateRootKey", update("api.*.read_api"), 403,
		"insufficient_permissions")
	if err := w.refusal(weaker, "rootKeys.deleteRootKey", deleting); strings.Contains(
		err.Detail, "delete_api",
	) {
		t.Errorf("the refusal tells what the root key holds: %s", err.Detail)
	}
	w.refused(equal, "rootKeys.updateRootKey", update("api.*.create_api"), 403,
		"insufficient_permissions")
	got := must[latchkey.RootKey](w, equal, "rootKeys.updateRootKey", update("api.*.read_api"))
	if diff := cmp.Diff([]string{"api.*.read_api"}, got.Permissions); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	must[latchkey.Empty](w, weaker, "rootKeys.deleteRootKey", deleting)
}

func TestRootKeyChangesApplyToTheNextRequest(t *testing.T) {
	w := newWorld(t)
	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Name: "ci", Permissions: []string{"ratelimit.*.read_namespace"},
	})
	update := func(r latchkey.UpdateRootKeyRequest) latchkey.RootKey {
		r.RootKeyID = made.RootKeyID
		return must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey", r)
	}
	list := func() error {
		_, err := w.do(w.caller(made.Key), "ratelimit.listNamespaces",
			latchkey.ListNamespacesRequest{})
		return err
	}
	if err := list(); err != nil {
		t.Fatal(err)
	}
	if update(latchkey.UpdateRootKeyRequest{Permissions: latchkey.Set([]string{})}); list() == nil {
		t.Error("a permission still holds that was taken away")
	}
	if update(latchkey.UpdateRootKeyRequest{
		Permissions: latchkey.Set([]string{"ratelimit.*.read_namespace"}),
	}); list() != nil {
		t.Error("a permission doesn't hold that was given")
	}
	update(latchkey.UpdateRootKeyRequest{Enabled: latchkey.Set(false)})
	if code := w.authenticates(made.Key); code != "key_disabled" {
		t.Errorf("switched off: %q", code)
	}
	got := update(latchkey.UpdateRootKeyRequest{
		Enabled: latchkey.Set(true), Expires: latchkey.Set(latchkey.At(start.Add(time.Minute))),
		Name: latchkey.Null[string](),
	})
	if got.Name != "" || !got.Expires.Equal(start.Add(time.Minute)) {
		t.Errorf("the name is %q, it expires at %v", got.Name, got.Expires)
	}
	if code := w.authenticates(made.Key); code != "" {
		t.Errorf("switched on: %q", code)
	}
	w.advance(2 * time.Minute)
	if code := w.authenticates(made.Key); code != "forbidden" {
		t.Errorf("expired: %q", code)
	}
	if got := update(latchkey.UpdateRootKeyRequest{
		Expires: latchkey.Null[latchkey.Time](),
	}); !got.Expires.IsZero() || got.Name != "" {
		t.Errorf("without expiry: %+v", got)
	}
	if code := w.authenticates(made.Key); code != "" {
		t.Errorf("without expiry: %q", code)
	}
	must[latchkey.Empty](w, w.who, "rootKeys.deleteRootKey", latchkey.DeleteRootKeyRequest{
		RootKeyID: made.RootKeyID,
	})
	if code := w.authenticates(made.Key); code != "key_not_found" {
		t.Errorf("deleted: %q", code)
	}
	var events []string
	for _, log := range w.auditLogs(w.who.WorkspaceID()) {
		if log.Targets[0].ID == made.RootKeyID {
			events = append(events, log.Event)
		}
	}
	want := []string{
		"key.delete", "key.update", "key.update", "key.update", "key.update", "key.update",
		"key.create",
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("audit log: (-want +got)\n%s", diff)
	}
}

func TestRootKeysOfOtherWorkspacesAreTheOperatorsOnly(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	foreign := latchkey.UpdateRootKeyRequest{RootKeyID: w.who.root.id, Name: latchkey.Set("mine")}
	unknown := latchkey.UpdateRootKeyRequest{RootKeyID: "rk_unknown", Name: latchkey.Set("mine")}
	if diff := cmp.Diff(
		w.refusal(other, "rootKeys.updateRootKey", unknown),
		w.refusal(other, "rootKeys.updateRootKey", foreign),
	); diff != "" {
		t.Errorf("(-unknown +foreign)\n%s", diff)
	}
	w.refused(other, "rootKeys.deleteRootKey",
		latchkey.DeleteRootKeyRequest{RootKeyID: w.who.root.id}, 404, "key_not_found")
	for _, workspace := range []string{w.who.WorkspaceID(), "ws_unknown"} {
		w.refused(other, "rootKeys.createRootKey",
			latchkey.CreateRootKeyRequest{WorkspaceID: workspace, Permissions: []string{}}, 404,
			"workspace_not_found")
		w.refused(other, "rootKeys.listRootKeys",
			latchkey.ListRootKeysRequest{WorkspaceID: workspace}, 404, "workspace_not_found")
	}
	w.refused(w.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{WorkspaceID: "ws_unknown", Permissions: []string{}}, 404,
		"workspace_not_found")

	list := must[[]latchkey.RootKey](w, w.who, "rootKeys.listRootKeys",
		latchkey.ListRootKeysRequest{WorkspaceID: other.WorkspaceID()})
	if len(list) != 1 || list[0].ID != other.root.id {
		t.Errorf("the other workspace has the root keys %v", list)
	}
	must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey", latchkey.UpdateRootKeyRequest{
		RootKeyID: other.root.id, Name: latchkey.Set("theirs"),
	})
	must[latchkey.Empty](w, w.who, "rootKeys.deleteRootKey", latchkey.DeleteRootKeyRequest{
		RootKeyID: other.root.id,
	})
}

func TestRootKeyOperationsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	target := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	for _, c := range []struct {
		name, action string
		request      any
	}{
		{"rootKeys.createRootKey", "create_root_key",
			latchkey.CreateRootKeyRequest{Permissions: []string{}}},
		{"rootKeys.listRootKeys", "read_root_key", latchkey.ListRootKeysRequest{}},
		{"rootKeys.updateRootKey", "update_root_key",
			latchkey.UpdateRootKeyRequest{RootKeyID: target.RootKeyID}},
		{"rootKeys.deleteRootKey", "delete_root_key",
			latchkey.DeleteRootKeyRequest{RootKeyID: target.RootKeyID}},
	} {
		without := slices.DeleteFunc(latchkey.AllPermissions(), func(p string) bool {
			return p == "root_key.*."+c.action
		})
		w.refused(w.grant(without...), c.name, c.request, 403, "insufficient_permissions")
		if _, err := w.do(w.grant("root_key.*."+c.action), c.name, c.request); err != nil {
			t.Errorf("%s with its permission alone: %v", c.name, err)
		}
	}
}

func TestRootKeysArePagedByID(t *testing.T) {
	w := newWorld(t)
	for range 7 {
		w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	}
	list := latchkey.ListRootKeysRequest{}
	all := must[[]latchkey.RootKey](w, w.who, "rootKeys.listRootKeys", list)
	for size := 1; size <= 9; size++ {
		paged := whole[latchkey.RootKey](w, w.who, "rootKeys.listRootKeys", func(
			cursor string,
		) any {
			return latchkey.ListRootKeysRequest{Limit: size, Cursor: cursor}
		})
		if diff := cmp.Diff(all, paged); diff != "" || len(all) != 8 {
			t.Errorf("in pages of %d: (-want +got)\n%s", size, diff)
		}
	}
}

func TestARootKeyCannotLockItselfOut(t *testing.T) {
	w := newWorld(t)
	self := w.who.root.id
	w.refused(w.who, "rootKeys.deleteRootKey", latchkey.DeleteRootKeyRequest{RootKeyID: self}, 412,
		"protected_resource")
	w.refused(w.who, "rootKeys.updateRootKey",
		latchkey.UpdateRootKeyRequest{RootKeyID: self, Enabled: latchkey.Set(false)}, 412,
		"protected_resource")
}

func TestRootKeyCannotOutliveItsCreator(t *testing.T) {
	w := newWorld(t)
	soon := w.now().Add(time.Hour)
	made := must[latchkey.CreatedRootKey](w, w.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{
			Permissions: []string{"root_key.*.create_root_key", "root_key.*.update_root_key"},
			Expires:     latchkey.At(soon),
		})
	who := w.caller(made.Key)
	request := latchkey.CreateRootKeyRequest{Permissions: []string{}}
	w.refused(who, "rootKeys.createRootKey", request, 403, "insufficient_permissions")
	request.Expires = latchkey.At(soon.Add(time.Minute))
	w.refused(who, "rootKeys.createRootKey", request, 403, "insufficient_permissions")
	request.Expires = latchkey.At(soon)
	child := must[latchkey.CreatedRootKey](w, who, "rootKeys.createRootKey", request)
	longer := latchkey.UpdateRootKeyRequest{
		RootKeyID: child.RootKeyID, Expires: latchkey.Null[latchkey.Time](),
	}
	w.refused(who, "rootKeys.updateRootKey", longer, 403, "insufficient_permissions")
}

func TestARootKeyThatExpiresGivesNothingThatLastsLonger(t *testing.T) {
	w := newWorld(t)
	held := []string{"root_key.*.update_root_key", "api.*.read_api"}
	soon := latchkey.At(w.now().Add(time.Hour))
	who := w.caller(w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: held, Expires: soon,
	}).Key)
	lasting := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api"},
	})
	update := func(r latchkey.UpdateRootKeyRequest) latchkey.UpdateRootKeyRequest {
		r.RootKeyID = lasting.RootKeyID
		return r
	}
	grow := update(latchkey.UpdateRootKeyRequest{Permissions: latchkey.Set(held)})
	enable := update(latchkey.UpdateRootKeyRequest{Enabled: latchkey.Set(true)})
	for _, harmless := range []latchkey.UpdateRootKeyRequest{
		update(latchkey.UpdateRootKeyRequest{Name: latchkey.Set("renamed")}),
		update(latchkey.UpdateRootKeyRequest{
			Permissions: latchkey.Set([]string{"api.api_1.read_api"}),
		}),
		update(latchkey.UpdateRootKeyRequest{Permissions: latchkey.Set([]string{})}),
		enable, // it is enabled
		update(latchkey.UpdateRootKeyRequest{Enabled: latchkey.Set(false)}),
	} {
		must[latchkey.RootKey](w, who, "rootKeys.updateRootKey", harmless)
	}
	w.refused(who, "rootKeys.updateRootKey", grow, 403, "insufficient_permissions")
	w.refused(who, "rootKeys.updateRootKey", enable, 403, "insufficient_permissions")
	enable.Expires = latchkey.Set(soon)
	must[latchkey.RootKey](w, who, "rootKeys.updateRootKey", enable)
	must[latchkey.RootKey](w, who, "rootKeys.updateRootKey", grow)
}

func TestAMisspelledPermissionIsRejected(t *testing.T) {
	w := newWorld(t)
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	wrong := []string{"api.*.read_api", "api.verify"}
	for name, request := range map[string]any{
		"rootKeys.createRootKey": latchkey.CreateRootKeyRequest{Permissions: wrong},
		"rootKeys.updateRootKey": latchkey.UpdateRootKeyRequest{
			RootKeyID: root.RootKeyID, Permissions: latchkey.Set(wrong),
		},
	} {
		w.refused(w.who, name, request, 400, "invalid_input")
		refusal := w.refusal(w.who, name, request)
		if !strings.Contains(refusal.Detail, `"api.verify"; did you mean api.*.verify_key?`) {
			t.Errorf("%s: %s", name, refusal.Detail)
		}
	}
}
