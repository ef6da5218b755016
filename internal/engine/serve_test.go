package engine

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// serve calls the operation as a door does and returns the status and the code of
// the answer.
func (w *world) serve(op *Op, call *Call) (status int, code string) {
	w.t.Helper()
	_, err := w.Serve(w.t.Context(), op, call)
	if err == nil {
		return 200, ""
	}
	var e *latchkey.Error
	if !errors.As(err, &e) {
		w.t.Fatalf("%s: %v is not the API's error", op.Name, err)
	}
	return e.Status, e.Code()
}

// TestChecksRunInOrder breaks a call in every way at once and repairs one after
// the other, in the documented order of the checks.
func TestChecksRunInOrder(t *testing.T) {
	w := newWorld(t)
	limited, root := w.bounded(latchkey.Set[int64](0))
	op, _ := Lookup("apis.createApi")
	unlimit := func() {
		must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
			latchkey.UpdateWorkspaceRequest{
				WorkspaceID: limited, RequestsPerMinute: latchkey.Null[int64](),
			})
	}
	var trace Trace
	call := &Call{Caller: Caller{Request: Request{Trace: &trace}}, Body: []byte(`{"name":1}`)}
	for _, step := range []struct {
		mend    func()
		status  int
		code    string
		checked bool
	}{
		{func() {}, 400, "invalid_input", false},
		{func() { call.Body = []byte(`{"name":"an api"}`) }, 400, "malformed", true},
		{func() { call.Token = "nonsense" }, 401, "key_not_found", true},
		{func() { call.Token = root }, 429, "workspace_rate_limited", true},
		{unlimit, 200, "", true},
	} {
		step.mend()
		trace = Trace{}
		if status, code := w.serve(op, call); status != step.status || code != step.code ||
			trace.Checked != step.checked {
			t.Fatalf("%d %q, checked %v, want %d %q, %v", status, code, trace.Checked, step.status,
				step.code, step.checked)
		}
	}
}

// TestGoValuesAreCheckedLikeJSON calls operations with a Go value and with the
// same request as JSON, with and without a cached caller.
func TestGoValuesAreCheckedLikeJSON(t *testing.T) {
	w := newWorld(t)
	op, _ := Lookup("apis.createApi")
	var callers CallerCache
	for range 2 {
		for _, c := range []struct {
			value  latchkey.CreateAPIRequest
			body   string
			status int
		}{
			{latchkey.CreateAPIRequest{}, `{"name":""}`, 400},
			{latchkey.CreateAPIRequest{Name: "an api"}, `{"name":"an api"}`, 200},
		} {
			for _, call := range []*Call{
				{Token: w.root, Value: &c.value}, {Token: w.root, Body: []byte(c.body)},
				{Token: w.root, Value: &c.value, Callers: &callers},
			} {
				if status, code := w.serve(op, call); status != c.status {
					t.Errorf("%+v: %d %s, want %d", call, status, code, c.status)
				}
			}
		}
	}
}

// TestPublicAndGETAreIndependent calls an operation of each of the four kinds:
// with a body or not, with a root key or not.
func TestPublicAndGETAreIndependent(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		public, get           bool
		bare, withBody, asWho int
	}{
		{false, false, 400, 400, 200},
		{false, true, 400, 400, 200},
		{true, false, 400, 200, 200}, // a POST without a body is no request
		{true, true, 200, 200, 200},
	} {
		op := bindData((*Engine).Liveness)
		op.Name, op.Public, op.GET = "test", c.public, c.get
		for what, call := range map[string]struct {
			Call
			want int
		}{
			"bare":            {Call{}, c.bare},
			"with a body":     {Call{Body: []byte(`{}`)}, c.withBody},
			"with a root key": {Call{Token: w.root, Body: []byte(`{}`)}, c.asWho},
			"with a bad body": {Call{Token: w.root, Body: []byte(`{"m":1}`)}, 400},
		} {
			if status, code := w.serve(op, &call.Call); status != call.want {
				t.Errorf("public %v, GET %v, %s: %d %s, want %d", c.public, c.get, what, status,
					code, call.want)
			}
		}
	}
}

// TestAnonymousCallersHaveNoPermissions asks an anonymous caller everything that
// operations ask a caller, and calls every operation with one.
func TestAnonymousCallersHaveNoPermissions(t *testing.T) {
	w := newWorld(t)
	who := Caller{Request: Request{RequestID: "req_1"}, root: anonymousRootKey}
	if who.WorkspaceID() != "" || who.correlation() != "cor_1" || who.outlivedBy(never) {
		t.Errorf("%+v is somebody", who)
	}
	if missing, lacking := who.firstMissing([]string{"api.*.create_api"}); !lacking {
		t.Errorf("it holds %s", missing)
	}
	if quota, err := w.checkQuota(t.Context(), &who); err != nil || quota != nil {
		t.Errorf("admitted: %v, %v", quota, err)
	}
	for _, op := range Ops {
		who.op = op
		for i := range op.rules {
			if op.rules[i].satisfied(who.root.grants, &everything) ||
				who.permits(op.rules[i].when, ids{API: "api_1"}) {
				t.Errorf("%s permits it", op.Name)
			}
		}
		_, err := w.run(t.Context(), op, &who, reflect.New(op.Request).Interface())
		var refused *latchkey.Error
		if errors.As(err, &refused) && refused.Status >= 500 {
			t.Errorf("%s: %v", op.Name, err)
		}
	}
}

// TestCachedCallerSeesRootKeyChangesAtOnce: a transport with a cached caller
// sees a change of the root key as soon as one without.
func TestCachedCallerSeesRootKeyChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.awaitLogReading()
	op, _ := Lookup("apis.listApis")
	first := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api"},
	})
	callers := new(CallerCache)
	call := func(token string) int {
		status, _ := w.serve(op, &Call{Token: token, Callers: callers, Body: []byte(`{}`)})
		return status
	}
	for range 2 {
		if status := call(first.Key); status != 200 {
			t.Fatalf("the first caller: %d", status)
		}
	}
	if status := call(w.root); status != 200 {
		t.Fatalf("the second caller: %d", status)
	}
	if known := callers.known.Load(); known.token != first.Key {
		t.Fatal("the first caller is not the cached one")
	}
	if callers.reauthenticate(w.Engine, 0, first.Key) == nil {
		t.Fatal("the cached caller is looked up each time")
	}
	must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey",
		latchkey.UpdateRootKeyRequest{RootKeyID: first.RootKeyID, Enabled: latchkey.Set(false)})
	if status := call(first.Key); status != 403 {
		t.Errorf("the disabled caller: %d, want 403", status)
	}
	if status := call(first.Key + "x"); status != 401 {
		t.Errorf("another root key: %d, want 401", status)
	}
}

// TestRevocationsAreUrgent: what takes access away is served before other changes, and what
// only looks like it is not.
func TestRevocationsAreUrgent(t *testing.T) {
	urgent := map[string]bool{}
	for _, op := range Ops {
		if op.revokes != nil {
			urgent[op.Name] = op.revokes(reflect.New(op.Request).Interface())
		}
	}
	want := map[string]bool{
		"identities.updateIdentity": false,
		"apis.deleteApi":            true, "keys.deleteKey": true, "keys.rerollKey": true,
		"keys.updateKey": false, "keys.updateKeys": false,
		"keys.removePermissions": true, "keys.removeRoles": true,
		"keys.setPermissions": true, "keys.setRoles": true,
		"permissions.deletePermission": true, "permissions.deleteRole": true,
		"permissions.setRolePermissions": true,
		"workspaces.updateWorkspace":     true, "workspaces.deleteWorkspace": true,
		"rootKeys.updateRootKey": true, "rootKeys.deleteRootKey": true,
		"rootKeys.updateKey": true, "rootKeys.rerollKey": true, "rootKeys.deleteKey": true,
		"portal.updatePortal": false, "portal.deletePortal": true, "portal.revokeSession": true,
		"portal.rerollKey": true, "self.rerollKey": true, "self.revokeKey": true,
	}
	if diff := cmp.Diff(want, urgent); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		operation string
		request   any
		urgent    bool
	}{
		{"keys.updateKey", &latchkey.UpdateKeyRequest{Enabled: latchkey.Set(false)}, true},
		{"keys.updateKey", &latchkey.UpdateKeyRequest{Enabled: latchkey.Set(true)}, false},
		{"keys.updateKey", &latchkey.UpdateKeyRequest{Expires: latchkey.Set(latchkey.AtMilli(1))},
			true},
		{"keys.updateKey", &latchkey.UpdateKeyRequest{Expires: latchkey.Null[latchkey.Time]()},
			false},
		{"keys.updateKeys", &latchkey.UpdateKeysRequest{Enabled: latchkey.Set(false)}, true},
		{"keys.updateKeys", &latchkey.UpdateKeysRequest{
			Enabled: latchkey.Set(false), ExternalID: latchkey.Set("user"),
		}, false},
		{"identities.updateIdentity",
			&latchkey.UpdateIdentityRequest{Enabled: latchkey.Set(false)}, true},
		{"portal.updatePortal",
			&latchkey.UpdatePortalRequest{Enabled: latchkey.Set(false)}, true},
		{"identities.updateIdentity", &latchkey.UpdateIdentityRequest{
			Enabled:    latchkey.Set(false),
			Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{}),
		}, false},
		{"keys.setPermissions", &latchkey.SetPermissionsRequest{Permissions: []string{"a"}}, false},
		{"keys.setRoles", &latchkey.SetRolesRequest{Roles: []string{"a"}}, false},
		{
			"permissions.setRolePermissions",
			&latchkey.SetRolePermissionsRequest{Permissions: []string{"a"}}, false,
		},
	} {
		op, _ := Lookup(c.operation)
		if got := op.revokes(c.request); got != c.urgent {
			t.Errorf("%s %+v is urgent: %v, want %v", c.operation, c.request, got, c.urgent)
		}
	}
}
