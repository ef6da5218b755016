package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// wantEvents compares the audit log of a workspace, newest first, with the
// events that a test made. The world's own, about workspaces and root keys, are
// left out.
func (w *world) wantEvents(workspace string, want ...string) {
	w.t.Helper()
	var got []string
	for _, log := range w.auditLogs(workspace) {
		if t := log.Targets[0].Type; t != "workspace" && t != "rootKey" {
			got = append(got, log.Event)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("audit log: (-want +got)\n%s", diff)
	}
}

// auditLogs is the whole audit log of a workspace, newest first.
func (w *world) auditLogs(workspace string) []latchkey.AuditLog {
	w.t.Helper()
	who := w.who
	if workspace != who.WorkspaceID() {
		made := must[latchkey.CreatedRootKey](w, w.who, "rootKeys.createRootKey",
			latchkey.CreateRootKeyRequest{
				WorkspaceID: workspace, Permissions: latchkey.AllPermissions(),
			})
		who = w.caller(made.Key)
	}
	return whole[latchkey.AuditLog](w, who, "auditLogs.listAuditLogs", func(cursor string) any {
		return latchkey.ListAuditLogsRequest{Cursor: cursor}
	})
}

// whole reads a list page by page.
func whole[T any](w *world, who Caller, name string, request func(cursor string) any) []T {
	w.t.Helper()
	var all []T
	for cursor := ""; ; {
		answer, err := w.do(who, name, request(cursor))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		page := answer.Data.([]T)
		all = append(all, page...)
		if !answer.Pagination.HasMore {
			return all
		}
		if cursor = answer.Pagination.Cursor; cursor == "" || len(page) == 0 {
			w.t.Fatalf("%s: a page of %d goes on at %q", name, len(page), cursor)
		}
	}
}

func TestAuditLogHasActorTargetAndAddress(t *testing.T) {
	w := newWorld(t)
	who := w.caller(w.root)
	w.limit(who, ask("api", "u", 5))
	id := w.setOverride(override("api", "a*", 1, 60_000_000_000))
	logs := w.auditLogs(w.who.WorkspaceID())
	want := []latchkey.AuditLog{
		{
			Event: "ratelimit.set_override", Description: "Set override " + id,
			CorrelationID: w.who.correlation(),
			Targets: []latchkey.AuditTarget{
				{Type: "ratelimitOverride", ID: id, Name: "a*"},
				{Type: "ratelimitNamespace", ID: w.namespaceID("api"), Name: "api"},
			},
			Changes: []latchkey.AuditChange{
				{Field: "duration", After: "60000"}, {Field: "limit", After: "1"},
			},
		},
		{
			Event:         "ratelimitNamespace.create",
			Description:   "Created namespace " + w.namespaceID("api"),
			CorrelationID: who.correlation(),
			Targets: []latchkey.AuditTarget{
				{Type: "ratelimitNamespace", ID: w.namespaceID("api"), Name: "api"},
			},
		},
	}
	for i := range want {
		want[i].ID, want[i].Time = logs[i].ID, latchkey.At(start)
		want[i].Actor = latchkey.AuditActor{Type: "rootkey", ID: who.root.id, Name: "operator"}
		want[i].RemoteIP, want[i].UserAgent = "192.0.2.1", "test"
		if !strings.HasPrefix(logs[i].ID, "log_") {
			t.Errorf("the record is called %q", logs[i].ID)
		}
	}
	if diff := cmp.Diff(want, logs[:2]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	begin := logs[len(logs)-2:]
	for i, event := range []string{"key.create", "workspace.create"} {
		if begin[i].Event != event || begin[i].Actor.Type != "system" {
			t.Errorf("the log begins with %+v, want %s by the system", begin[i], event)
		}
	}
}

func TestAuditLogPagesHaveEveryRecordOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		w.limit(w.who, ask(strings.Repeat("n", i+1), "u", 5))
	}
	all := w.auditLogs(w.who.WorkspaceID())
	for size := 1; size <= 10; size += 3 {
		// newer records don't shift what was read
		w.limit(w.who, ask(strings.Repeat("m", size), "u", 5))
		paged := whole[latchkey.AuditLog](w, w.who, "auditLogs.listAuditLogs", func(
			cursor string,
		) any {
			return latchkey.ListAuditLogsRequest{Limit: size, Cursor: cursor}
		})
		if diff := cmp.Diff(all, paged[len(paged)-len(all):]); diff != "" {
			t.Errorf("in pages of %d: (-want +got)\n%s", size, diff)
		}
	}
}

func TestAuditLogFiltersByEvent(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	list := func(event string) []latchkey.AuditLog {
		return must[[]latchkey.AuditLog](w, w.who, "auditLogs.listAuditLogs",
			latchkey.ListAuditLogsRequest{Event: event})
	}
	if got := list("ratelimitNamespace.create"); len(got) != 1 ||
		got[0].Event != "ratelimitNamespace.create" {
		t.Errorf("%+v, want the one event", got)
	}
	if got := list("api.delete"); got == nil || len(got) != 0 {
		t.Errorf("%+v, want an empty list", got)
	}
}

func TestAuditLogStaysInItsWorkspace(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	w.limit(other, ask("api", "u", 5))
	w.wantEvents(w.who.WorkspaceID())
	w.wantEvents(other.WorkspaceID(), "ratelimitNamespace.create")
}

func TestAuditLogRejectsMissingPermissionAndBadCursor(t *testing.T) {
	w := newWorld(t)
	w.refused(w.grant("api.*.read_api"), "auditLogs.listAuditLogs", latchkey.ListAuditLogsRequest{},
		403, "insufficient_permissions")
	for _, cursor := range []string{"x", "1.5", "99999999999999999999", "key_1"} {
		err := w.refusal(w.who, "auditLogs.listAuditLogs", latchkey.ListAuditLogsRequest{
			Cursor: cursor,
		})
		if err.Status != 400 || len(err.Faults) != 1 ||
			err.Faults[0].Location != "/properties/cursor" {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
