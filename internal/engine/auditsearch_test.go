package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// TestAuditLogFiltersSelectWhatTheySay compares all combinations of filters with the whole log.
func TestAuditLogFiltersSelectWhatTheySay(t *testing.T) {
	w := newWorld(t)
	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Name: "Deployer", Permissions: latchkey.AllPermissions(),
	})
	other := w.caller(made.Key)
	api := w.newAPI()
	var ids []string
	for i, who := range []Caller{w.who, other, w.who, other, other, w.who} {
		w.advance(time.Hour)
		key := must[latchkey.CreatedKey](w, who, "keys.createKey", latchkey.CreateKeyRequest{
			APIID: api, Name: fmt.Sprint("Name Ä", i),
		}).KeyID
		ids = append(ids, key)
		if _, err := w.do(who, "keys.updateKey", latchkey.UpdateKeyRequest{
			KeyID: ids[i/2], Name: latchkey.Set(fmt.Sprint("Renamed", i)),
		}); err != nil {
			t.Fatal(err)
		}
	}
	all := w.auditLogs(w.who.WorkspaceID())
	middle := latchkey.At(start.Add(3 * time.Hour))
	for _, event := range []string{"", "key.create", "key.update"} {
		for _, actor := range []string{"", w.who.root.id, made.RootKeyID, "system", "nobody"} {
			for _, target := range []string{"", api, ids[1], "nothing"} {
				for _, search := range []string{"", "name ä2", "RENAMED", "deployer", "nowhere"} {
					r := latchkey.ListAuditLogsRequest{
						Event: event, Actor: actor, Target: target, Search: search,
					}
					w.wantSearched(all, r)
					r.After = middle
					w.wantSearched(all, r)
					r.Before = middle
					w.wantSearched(all, r)
					r.After = latchkey.Time{}
					w.wantSearched(all, r)
				}
			}
		}
	}
}

// wantSearched compares the pages of a request, one record each, with the records of the whole
// log that it selects.
func (w *world) wantSearched(all []latchkey.AuditLog, r latchkey.ListAuditLogsRequest) {
	w.t.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(log latchkey.AuditLog) bool {
		return r.Event != "" && r.Event != log.Event || r.Actor != "" && r.Actor != log.Actor.ID ||
			!r.After.IsZero() && log.Time.Before(r.After.Time) ||
			!r.Before.IsZero() && log.Time.After(r.Before.Time) ||
			r.Target != "" && !slices.ContainsFunc(log.Targets,
				func(t latchkey.AuditTarget) bool { return t.ID == r.Target }) ||
			!strings.Contains(strings.ToLower(fmt.Sprint(log)), strings.ToLower(r.Search))
	})
	r.Limit = 5
	got, _ := w.searched(r)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("%+v: (-want +got)\n%s", r, diff)
	}
}

// searched returns the records that a request selects, and the number of pages.
func (w *world) searched(r latchkey.ListAuditLogsRequest) (all []latchkey.AuditLog, pages int) {
	w.t.Helper()
	for {
		answer, err := w.do(w.who, "auditLogs.listAuditLogs", r)
		if err != nil {
			w.t.Fatalf("%+v: %v", r, err)
		}
		all = append(all, answer.Data.([]latchkey.AuditLog)...)
		if pages++; !answer.Pagination.HasMore {
			return all, pages
		}
		r.Cursor = answer.Pagination.Cursor
	}
}

// A search of which nothing is found compares a bounded number of records for each page, and
// one by an indexed value reads only what it finds.
func TestAuditSearchesAreBounded(t *testing.T) {
	w := newWorld(t)
	const many = 2*maxLooked + 100
	err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		records := make([]write.InsertAuditLogParams, many)
		for i := range records {
			records[i] = write.InsertAuditLogParams{
				Seq: tx.NextAudit(start.UnixMilli()), ID: fmt.Sprint("log_", i), Time: start.UnixMilli(),
				WorkspaceID: w.who.WorkspaceID(), Event: "a", ActorID: "b", Targets: "[]",
			}
		}
		return tx.InsertAuditLogs(ctx, records)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		r     latchkey.ListAuditLogsRequest
		found int
		pages int
	}{
		{"text", latchkey.ListAuditLogsRequest{Search: "Created workspace"}, 1, 3},
		{"target", latchkey.ListAuditLogsRequest{Target: w.who.WorkspaceID()}, 1, 3},
		{"actor", latchkey.ListAuditLogsRequest{Actor: "system"}, 2, 1},
		{"event", latchkey.ListAuditLogsRequest{Event: "workspace.create"}, 1, 1},
		{"actor and event", latchkey.ListAuditLogsRequest{Actor: "b", Event: "c"}, 0, 3},
	} {
		if found, pages := w.searched(c.r); len(found) != c.found || pages != c.pages {
			t.Errorf("%s: %d records on %d pages, want %d on %d",
				c.name, len(found), pages, c.found, c.pages)
		}
	}
}

// TestUpdatesRecordWhatTheyChange makes an update of every kind.
func TestUpdatesRecordWhatTheyChange(t *testing.T) {
	w := newWorld(t)
	change := func(field, before, after string) latchkey.AuditChange {
		return latchkey.AuditChange{Field: field, Before: before, After: after}
	}
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, Name: "old", Meta: `{"secret":"hush"}`,
		Ratelimits: []latchkey.RatelimitRequest{
			{Name: "requests", Limit: 5, Duration: latchkey.PerMilli(60000), AutoApply: latchkey.Set(true)},
		},
	}).KeyID
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api", "api.*.create_api"},
	}).RootKeyID
	workspace := w.newWorkspace("other")
	w.limit(w.who, ask("emails", "u", 5))
	identity := must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
		latchkey.CreateIdentityRequest{ExternalID: "user_1"}).IdentityID
	w.newRole(latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"docs.read"}})
	portal := w.newPortal(api, "a-portal")
	for _, step := range []struct {
		op, request, event string
		want               []latchkey.AuditChange
	}{
		{"keys.updateKey", `{"keyId":"KEY","name":"new","enabled":false,"meta":{"secret":"other"}}`,
			"key.update", []latchkey.AuditChange{
				change("enabled", "true", "false"), {Field: "meta"}, change("name", "old", "new"),
			}},
		{"keys.updateKey", `{"keyId":"KEY","name":null,"credits":{"remaining":7},"externalId":"user_1"}`,
			"key.update", []latchkey.AuditChange{
				change("credits", "", `{"remaining":7}`), change("identity", "", identity),
				change("name", "new", ""),
			}},
		{"keys.updateKey", `{"keyId":"KEY"}`, "key.update", nil},
		{"keys.updateCredits", `{"keyId":"KEY","operation":"decrement","value":2}`, "key.update",
			[]latchkey.AuditChange{change("credits", `{"remaining":7}`, `{"remaining":5}`)}},
		{"keys.updateKeys", `{"keyIds":["KEY"],"enabled":true}`, "key.update",
			[]latchkey.AuditChange{change("enabled", "false", "true")}},
		{"keys.updateKey",
			`{"keyId":"KEY","ratelimits":[{"name":"requests","limit":6,"duration":60000,"autoApply":true}]}`,
			"ratelimit.update", []latchkey.AuditChange{change("limit", "5", "6")}},
		{"apis.updateApi", `{"apiId":"API","defaultPrefix":"app","ipWhitelist":["192.0.2.1"]}`,
			"api.update", []latchkey.AuditChange{
				change("defaultPrefix", "", "app"), change("ipWhitelist", "", `["192.0.2.1"]`),
			}},
		{"rootKeys.updateRootKey",
			`{"rootKeyId":"ROOT","permissions":["api.*.create_api","api.*.read_key"]}`, "key.update",
			[]latchkey.AuditChange{
				change("permissions", `["api.*.read_api"]`, `["api.*.read_key"]`),
			}},
		{"workspaces.updateWorkspace",
			`{"workspaceId":"WORKSPACE","name":"another","requestsPerMinute":5}`, "workspace.update",
			[]latchkey.AuditChange{
				change("name", "other", "another"), change("requestsPerMinute", "", "5"),
			}},
		{"identities.updateIdentity", `{"identity":"user_1","enabled":false,"meta":{"a":"hush"}}`,
			"identity.update",
			[]latchkey.AuditChange{change("disabled", "", "true"), {Field: "meta"}}},
		{"permissions.updatePermission", `{"permission":"docs.read","name":"Reading"}`,
			"permission.update", []latchkey.AuditChange{change("name", "docs.read", "Reading")}},
		{"permissions.updateRole", `{"role":"reader","description":"reads"}`, "role.update",
			[]latchkey.AuditChange{change("description", "", "reads")}},
		{"ratelimit.updateNamespace", `{"namespace":"emails","whenDegraded":"refuse"}`,
			"ratelimitNamespace.update",
			[]latchkey.AuditChange{change("whenDegraded", "share", "refuse")}},
		{"ratelimit.setOverride",
			`{"namespace":"emails","identifier":"u","limit":1,"duration":60000}`,
			"ratelimit.set_override",
			[]latchkey.AuditChange{change("duration", "", "60000"), change("limit", "", "1")}},
		{"ratelimit.setOverride",
			`{"namespace":"emails","identifier":"u","limit":2,"duration":60000}`,
			"ratelimit.set_override", []latchkey.AuditChange{change("limit", "1", "2")}},
		{"portal.updatePortal", `{"portal":"` + portal + `","displayName":"Other"}`,
			"portal.update", []latchkey.AuditChange{change("displayName", "A portal", "Other")}},
	} {
		request := strings.NewReplacer("KEY", key, "API", api, "ROOT", root,
			"WORKSPACE", workspace).Replace(step.request)
		if _, err := w.do(w.who, step.op, json.RawMessage(request)); err != nil {
			t.Fatalf("%s %s: %v", step.op, request, err)
		}
		log := must[[]latchkey.AuditLog](w, w.who, "auditLogs.listAuditLogs",
			latchkey.ListAuditLogsRequest{Event: step.event, Limit: 1})[0]
		if diff := cmp.Diff(step.want, log.Changes); diff != "" {
			t.Errorf("%s %s: (-want +got)\n%s", step.op, request, diff)
		}
	}
	for _, log := range w.auditLogs(w.who.WorkspaceID()) {
		if strings.Contains(fmt.Sprint(log), "hush") {
			t.Errorf("%+v has metadata", log)
		}
	}
}

func TestChangedValuesAreBounded(t *testing.T) {
	long := func(text string) []string { return []string{strings.Repeat(text, 1<<20)} }
	changes := changesText(latchkey.RootKey{Permissions: long("ä"), Name: strings.Repeat("b", 513)},
		latchkey.RootKey{Permissions: long("c"), Name: strings.Repeat("b", 512)})
	if len(changes) > 4*maxChangedValue+200 || strings.Count(changes, "…") != 3 {
		t.Errorf("%d bytes: %.2000s", len(changes), changes)
	}
}
