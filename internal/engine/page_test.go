package engine

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// fatList is a list of a world, and the statement that makes one of its items large.
type fatList struct {
	request func(cursor string) any
	fatten  string // with the large text and the item's place, which is 0, 1 or 2
}

// nthOf returns the condition that selects the nth row of a table in id order.
func nthOf(table, where string) string {
	return fmt.Sprintf(
		" WHERE id = (SELECT id FROM %s WHERE %s ORDER BY id LIMIT 1 OFFSET $2)", table, where,
	)
}

// fatLists makes at least three items of every list of the API. The session is that of an
// end user with three keys.
func fatLists(w *world) (lists map[string]fatList, session string) {
	api, found, exported := w.newAPI(), w.newAPI(), w.newAPI()
	w.newAPI()
	for i := range 3 {
		name := fmt.Sprintf("n%d", i)
		w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: name})
		w.newKey(latchkey.CreateKeyRequest{APIID: found})
		w.newKey(latchkey.CreateKeyRequest{APIID: exported})
		must[latchkey.CreatedPermission](w, w.who, "permissions.createPermission",
			latchkey.CreatePermissionRequest{Name: name, Slug: name})
		must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
			latchkey.CreateRoleRequest{Name: name})
		w.limit(w.who, ask("space", "u", 1))
		w.limit(w.who, ask(name, "u", 1))
		w.setOverride(override("space", name, 1, 60_000_000_000))
		w.otherWorkspace()
		w.grant()
	}
	portal := w.newPortal(w.newAPI(), "listed")
	for i := range 3 {
		w.newSession(w.who, portal, fmt.Sprintf("u%d", i))
	}
	shown := w.newAPI()
	for range 3 {
		w.newKey(latchkey.CreateKeyRequest{APIID: shown, ExternalID: "owner"})
	}
	session = w.newSession(w.who, w.newPortal(shown, "shown"), "owner")
	hook := ""
	for range 3 {
		hook = w.newWebhook(w.who, "https://hooks.invalid/", latchkey.EventKeyCreated)
	}
	for range 3 {
		must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
			latchkey.SendTestWebhookRequest{WebhookID: hook})
	}
	for i := range 3 {
		w.reserve(time.Minute, costOf(w.prepaid(fmt.Sprint("budget ", i), 1), 1)...)
	}
	meta := "meta = '{\"a\":\"' || CAST($1 AS TEXT) || '\"}'"
	return map[string]fatList{
		"apis.listKeys": {
			func(at string) any { return latchkey.ListKeysRequest{APIID: api, Cursor: at} },
			"UPDATE keys SET " + meta + nthOf("keys", "api_id = '"+api+"'"),
		},
		"keys.listKeys": {
			func(at string) any { return latchkey.FindKeysRequest{APIID: found, Cursor: at} },
			"UPDATE keys SET " + meta + nthOf("keys", "api_id = '"+found+"'"),
		},
		"keys.exportKeys": {
			func(at string) any { return latchkey.ExportKeysRequest{APIID: exported, Cursor: at} },
			"UPDATE keys SET " + meta + nthOf("keys", "api_id = '"+exported+"'"),
		},
		"apis.listApis": {
			func(at string) any { return latchkey.ListAPIsRequest{Cursor: at} },
			"UPDATE apis SET name = CAST($1 AS TEXT)" + nthOf("apis", "TRUE"),
		},
		"identities.listIdentities": {
			func(at string) any { return latchkey.ListIdentitiesRequest{Cursor: at} },
			"UPDATE identities SET " + meta + nthOf("identities", "external_id <> 'owner'"),
		},
		"permissions.listPermissions": {
			func(at string) any { return latchkey.ListPermissionsRequest{Cursor: at} },
			"UPDATE permissions SET description = CAST($1 AS TEXT)" + nthOf("permissions", "TRUE"),
		},
		"permissions.listRoles": {
			func(at string) any { return latchkey.ListRolesRequest{Cursor: at} },
			"UPDATE roles SET description = CAST($1 AS TEXT)" + nthOf("roles", "TRUE"),
		},
		"ratelimit.listOverrides": {
			func(at string) any {
				return latchkey.ListOverridesRequest{Namespace: "space", Cursor: at}
			},
			"UPDATE overrides SET algorithm = CAST($1 AS TEXT)" + nthOf("overrides",
				"namespace_id = '"+w.namespaceID("space")+"'"),
		},
		"ratelimit.listNamespaces": {
			func(at string) any { return latchkey.ListNamespacesRequest{Cursor: at} },
			"UPDATE namespaces SET algorithm = CAST($1 AS TEXT)" + nthOf("namespaces", "TRUE"),
		},
		"workspaces.listWorkspaces": {
			func(at string) any { return latchkey.ListWorkspacesRequest{Cursor: at} },
			"UPDATE workspaces SET name = CAST($1 AS TEXT)" + nthOf("workspaces", "TRUE"),
		},
		"rootKeys.listRootKeys": {
			func(at string) any { return latchkey.ListRootKeysRequest{Cursor: at} },
			"UPDATE root_keys SET name = CAST($1 AS TEXT)" + nthOf("root_keys",
				"workspace_id = '"+w.who.WorkspaceID()+"'"),
		},
		"rootKeys.listKeys": {
			func(at string) any { return latchkey.RootKeysListKeysRequest{Cursor: at} },
			"UPDATE root_keys SET ending = CAST($1 AS TEXT)" + nthOf("root_keys",
				"workspace_id = '"+w.who.WorkspaceID()+"'"),
		},
		"auditLogs.listAuditLogs": {
			func(at string) any { return latchkey.ListAuditLogsRequest{Cursor: at} },
			"UPDATE audit_logs SET user_agent = CAST($1 AS TEXT)" + nthOf("audit_logs",
				"workspace_id = '"+w.who.WorkspaceID()+"'"),
		},
		"budgets.listBudgets": {
			func(at string) any { return latchkey.ListBudgetsRequest{Cursor: at} },
			"UPDATE budgets SET " + meta + nthOf("budgets", "TRUE"),
		},
		"budgets.listReservations": {
			func(at string) any { return latchkey.ListReservationsRequest{Cursor: at} },
			"UPDATE reservations SET state = CAST($1 AS TEXT)" + nthOf("reservations", "TRUE"),
		},
		"webhooks.listWebhooks": {
			func(at string) any { return latchkey.ListWebhooksRequest{Cursor: at} },
			"UPDATE webhooks SET description = CAST($1 AS TEXT)" + nthOf("webhooks",
				"workspace_id = '"+w.who.WorkspaceID()+"'"),
		},
		"webhooks.listDeliveries": {
			func(at string) any {
				return latchkey.ListWebhookDeliveriesRequest{WebhookID: hook, Cursor: at}
			},
			"UPDATE webhook_deliveries SET payload = '{\"a\":\"' || CAST($1 AS TEXT) || '\"}'" +
				nthOf("webhook_deliveries", "webhook_id = '"+hook+"'"),
		},
		"portal.listSessions": {
			func(at string) any {
				return latchkey.ListPortalSessionsRequest{Portal: "listed", Cursor: at}
			},
			"UPDATE portal_sessions SET scopes = CAST($1 AS TEXT)" + nthOf("portal_sessions",
				"portal_id = '"+portal+"'"),
		},
		"portal.listKeys": {
			func(at string) any { return latchkey.ListPortalKeysRequest{Cursor: at} },
			"UPDATE keys SET " + meta + nthOf("keys", "api_id = '"+shown+"'"),
		},
	}, session
}

// ofPage decodes a page as a client gets it.
func ofPage(t *testing.T, answer Response) (items []json.RawMessage, bytes int) {
	t.Helper()
	text, err := json.Marshal(answer.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	return items, len(text)
}

// TestEveryPageEndsAtItsLimitOrItsBytes ranges over the operations that return pages: no
// page is longer than its bound, except for an item that is longer by itself, and no item
// is lost or repeated where pages end early.
func TestEveryPageEndsAtItsLimitOrItsBytes(t *testing.T) {
	w := newWorld(t)
	lists, session := fatLists(w)
	// two of 1.5 MiB would fit into a page, but between them one is longer than a page
	texts := []string{
		strings.Repeat("a", 3<<19), strings.Repeat("b", 5<<20), strings.Repeat("c", 3<<19),
	}
	for _, op := range Ops {
		if !op.paged || op.Name == "usage.listEvents" { // events are in no table; embedded tests them
			continue
		}
		if op.Name == "budgets.listEntries" || op.Name == "budgets.listAttachments" {
			continue // their items have ids and numbers alone, in the keys of their tables
		}
		list, ok := lists[op.Name]
		if !ok {
			t.Errorf("%s returns pages and is not in the test", op.Name)
			continue
		}
		who := w.who
		if op.Scope != "" {
			who = w.endUser(op.Name, session)
		}
		t.Run(op.Name, func(t *testing.T) {
			before := w.pages(who, list, op.Name)
			if len(before) != 1 {
				t.Fatalf("%d pages of small items", len(before))
			}
			for i, text := range texts {
				w.exec(list.fatten, text, i)
			}
			after := w.pages(who, list, op.Name)
			var n, own int
			for _, page := range after {
				n += len(page)
				total := 0
				for _, item := range page {
					total += len(item)
				}
				if total > maxPageBytes {
					if own++; len(page) > 1 {
						t.Errorf("a page of %d items has %d bytes", len(page), total)
					}
				}
			}
			if n != len(before[0]) || own != 1 || len(after) > 3 {
				t.Errorf("%d items on %d pages, %d of them too long, want %d items", n, len(after),
					own, len(before[0]))
			}
		})
	}
}

// pages reads all pages of a list, each as the items in it.
func (w *world) pages(
	who Caller, list fatList, name string,
) (pages [][]json.RawMessage) {
	w.t.Helper()
	seen := map[string]bool{}
	for cursor := ""; ; {
		answer, err := w.do(who, name, list.request(cursor))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		items, _ := ofPage(w.t.(*testing.T), answer)
		for _, item := range items {
			if seen[string(item)] {
				w.t.Fatalf("%s: an item is on two pages", name)
			}
			seen[string(item)] = true
		}
		pages = append(pages, items)
		if !answer.Pagination.HasMore {
			return pages
		}
		if cursor = answer.Pagination.Cursor; cursor == "" || len(items) == 0 {
			w.t.Fatalf("%s: a page of %d items goes on at %q", name, len(items), cursor)
		}
	}
}

// A page of 100 keys reads and keeps little more than it answers, however large the rows are.
func TestReadingAPageTakesBoundedMemory(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	for range 100 {
		w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "fat"})
	}
	w.exec("UPDATE identities SET meta = '{\"a\":\"' || CAST($1 AS TEXT) || '\"}'",
		strings.Repeat("m", 1<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := w.do(w.who, "apis.listKeys", latchkey.ListKeysRequest{APIID: api})
	runtime.ReadMemStats(&after)
	if err != nil || !answer.Pagination.HasMore {
		t.Fatalf("%+v %v", answer.Pagination, err)
	}
	items, bytes := ofPage(t, answer)
	if len(items) != 3 || bytes > maxPageBytes {
		t.Errorf("%d items of %d bytes", len(items), bytes)
	}
	took := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d MiB for a page of %d MiB", took>>20, bytes>>20)
	if took > 60<<20 { // 21 rows, perhaps in two copies, and a page
		t.Errorf("a page took %d MiB", took>>20)
	}
}
