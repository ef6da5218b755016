package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// allow sets all quotas of a workspace to n.
func (w *world) allow(workspace string, n int64) latchkey.Workspace {
	w.t.Helper()
	var all latchkey.Quotas
	for _, q := range quotas[1:] {
		*q.field(&all) = latchkey.Set(n)
	}
	return must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{WorkspaceID: workspace, Quotas: latchkey.Set(all)})
}

// TestQuotasAreExact: of every kind a workspace can have what its quota allows and not one
// more, parallel changes included; what is deleted makes room; another workspace is not
// concerned; the error says what to do.
func TestQuotasAreExact(t *testing.T) {
	w := newWorld(t)
	who := w.otherWorkspace()
	api := must[latchkey.CreatedAPI](w, who, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "test"}).APIID
	for caller, in := range map[*Caller]string{&who: api, &w.who: w.newAPI()} {
		w.createPortal(*caller, in, "a-portal")
		caller.Origin = "https://latchkey.test"
	}
	const most = 3
	w.allow(who.WorkspaceID(), most)
	allowed := w.allow(who.WorkspaceID(), most).Quotas
	who.root.quotas = &allowed
	for what, create := range map[quota]func(n int) (string, any){
		quotaKeys: func(int) (string, any) {
			return "keys.createKey", latchkey.CreateKeyRequest{APIID: api}
		},
		quotaIdentities: func(n int) (string, any) {
			return "identities.createIdentity",
				latchkey.CreateIdentityRequest{ExternalID: fmt.Sprintf("identity%d", n)}
		},
		quotaPermissions: func(n int) (string, any) {
			return "permissions.createPermission",
				latchkey.CreatePermissionRequest{Name: "p", Slug: fmt.Sprintf("p%d", n)}
		},
		quotaRoles: func(n int) (string, any) {
			return "permissions.createRole", latchkey.CreateRoleRequest{Name: fmt.Sprintf("r%d", n)}
		},
		quotaNamespaces: func(n int) (string, any) {
			return "ratelimit.limit", ask(fmt.Sprintf("space%d", n), "u", 1)
		},
		quotaRootKeys: func(int) (string, any) {
			return "rootKeys.createRootKey", latchkey.CreateRootKeyRequest{Permissions: []string{}}
		},
		quotaAPIs: func(int) (string, any) {
			return "apis.createApi", latchkey.CreateAPIRequest{Name: "test"}
		},
		quotaWebhooks: func(int) (string, any) {
			return "webhooks.createWebhook", latchkey.CreateWebhookRequest{
				URL: "https://hooks.invalid/", Events: []string{latchkey.EventKeyCreated},
			}
		},
		quotaPortalSessions: func(n int) (string, any) {
			return "portal.createSession", latchkey.CreatePortalSessionRequest{
				Portal: "a-portal", ExternalID: fmt.Sprintf("user%d", n), Scopes: []string{"keys:read"},
			}
		},
	} {
		t.Run(quotas[what].name, func(t *testing.T) {
			had := w.amount(who, what)
			var wait sync.WaitGroup
			var mu sync.Mutex
			made, refusals := 0, 0
			for n := range most + 5 {
				wait.Go(func() {
					name, request := create(n)
					_, err := w.do(who, name, request)
					mu.Lock()
					defer mu.Unlock()
					var e *latchkey.Error
					switch {
					case err == nil:
						made++
					case errors.As(err, &e) && e.Status == http.StatusForbidden &&
						e.Code() == "workspace_quota_exceeded" &&
						strings.Contains(e.Detail, `"`+quotas[what].name+`"`) &&
						strings.Contains(e.Detail, "updateWorkspace"):
						refusals++
					default:
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if made != most-had || refusals != most+5-made || w.amount(who, what) != most {
				t.Errorf("%d made, %d refused, of %d that were there; counted %d", made, refusals, had,
					w.amount(who, what))
			}
			if n := w.exceeded[what].Load(); n != uint64(refusals) {
				t.Errorf("%d refusals counted, want %d", n, refusals)
			}
			name, request := create(1000)
			if _, err := w.do(w.who, name, request); err != nil && what != quotaKeys {
				t.Errorf("another workspace: %v", err)
			}
		})
	}
}

// amount is what a workspace is counted to have.
func (w *world) amount(who Caller, what quota) int {
	w.t.Helper()
	return w.number(fmt.Sprintf("SELECT COALESCE(SUM(amount), 0) FROM counts "+
		"WHERE workspace_id = '%s' AND kind = '%s'", who.WorkspaceID(), quotas[what].name))
}

// What is deleted makes room, and so do the keys of a deleted API once a job has deleted
// their rows.
func TestDeletedObjectsMakeRoom(t *testing.T) {
	w := newWorld(t)
	who := w.who
	want := func(what quota, n int) {
		t.Helper()
		if got := w.amount(who, what); got != n {
			t.Errorf("%d %s, want %d", got, quotas[what].name, n)
		}
	}
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, ExternalID: "somebody", Permissions: []string{"a", "b"},
	})
	for range 120 {
		w.newKey(latchkey.CreateKeyRequest{APIID: api})
	}
	role := must[latchkey.CreatedRole](w, who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "r"})
	want(quotaKeys, 121)
	want(quotaPermissions, 2)
	must[latchkey.Empty](w, who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key.KeyID})
	must[latchkey.CreatedKey](w, who, "keys.rerollKey", latchkey.RerollKeyRequest{
		KeyID:      w.newKey(latchkey.CreateKeyRequest{APIID: api, Credits: limitedTo(5)}).KeyID,
		Expiration: latchkey.Set(latchkey.Per(time.Hour)),
	})
	want(quotaKeys, 122)
	must[latchkey.Empty](w, who, "permissions.deletePermission",
		latchkey.DeletePermissionRequest{Permission: "a"})
	must[latchkey.Empty](w, who, "permissions.deleteRole",
		latchkey.DeleteRoleRequest{Role: role.RoleID})
	if _, err := w.do(who, "identities.deleteIdentity",
		latchkey.DeleteIdentityRequest{Identity: "somebody"}); err != nil {
		t.Fatal(err)
	}
	want(quotaPermissions, 1)
	want(quotaRoles, 0)
	want(quotaIdentities, 0)
	must[latchkey.Empty](w, who, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: api})
	want(quotaAPIs, 0)
	want(quotaKeys, 122)
	if err := w.deleteKeysOfDeletedAPIs(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(quotaKeys, 0)
	if n := w.number("SELECT COUNT(*) FROM keys"); n != 0 {
		t.Errorf("%d rows of keys are left", n)
	}
}

func TestQuotasAreSetOneByOne(t *testing.T) {
	w := newWorld(t)
	id := w.otherWorkspace().WorkspaceID()
	set := func(q latchkey.Quotas) latchkey.Quotas {
		t.Helper()
		return must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
			latchkey.UpdateWorkspaceRequest{WorkspaceID: id, Quotas: latchkey.Set(q)}).Quotas
	}
	set(latchkey.Quotas{Keys: latchkey.Set[int64](7)})
	got := set(latchkey.Quotas{Roles: latchkey.Set[int64](0)})
	if got.Keys.Or(-1) != 7 || got.Roles.Or(-1) != 0 || got.APIs.Or(-1) != 10_000 {
		t.Errorf("%+v", got)
	}
	got = set(latchkey.Quotas{Keys: latchkey.Null[int64]()})
	if got.Keys.Or(-1) != 1_000_000 || got.Roles.Or(-1) != 0 {
		t.Errorf("after null: %+v", got)
	}
}
