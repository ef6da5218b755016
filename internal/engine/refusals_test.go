package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// serveAs calls an operation with a root key, from an address.
func (w *world) serveAs(token, address, name string, request any) error {
	w.t.Helper()
	op, ok := Lookup(name)
	if !ok {
		w.t.Fatal(name)
	}
	body, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	call := Call{Token: token, Body: body}
	call.RequestID, call.RemoteIP = NewRequestID(), address
	_, err = w.Serve(w.t.Context(), op, &call)
	return err
}

func TestEveryRefusalIsCountedAndLogged(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	root := func(r latchkey.CreateRootKeyRequest) latchkey.CreatedRootKey {
		return w.newRootKey(w.who, r)
	}
	poor := root(latchkey.CreateRootKeyRequest{Permissions: []string{}})
	disabled := root(latchkey.CreateRootKeyRequest{Permissions: []string{}})
	must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey", latchkey.UpdateRootKeyRequest{
		RootKeyID: disabled.RootKeyID, Enabled: latchkey.Set(false),
	})
	expired := root(latchkey.CreateRootKeyRequest{
		Permissions: []string{}, Expires: latchkey.At(w.now().Add(time.Second)),
	})
	w.advance(time.Minute)
	api := w.newAPI()
	for i, c := range []struct{ token, id, reason, name, request string }{
		{"", "", "malformed_root_key", "apis.listApis", `{}`},
		{"made up", "", "unknown_root_key", "apis.listApis", `{}`},
		{disabled.Key, disabled.RootKeyID, "disabled_root_key", "apis.listApis", `{}`},
		{expired.Key, expired.RootKeyID, "expired_root_key", "apis.listApis", `{}`},
		{poor.Key, poor.RootKeyID, "missing_permission", "apis.listApis", `{}`},
		{poor.Key, poor.RootKeyID, "missing_permission", "apis.getApi", `{"apiId":"` + api + `"}`},
		{poor.Key, poor.RootKeyID, "missing_permission", "apis.listKeys", `{"apiId":"` + api + `"}`},
	} {
		log.Reset()
		reason := slices.IndexFunc(reasons[:], func(r struct{ name, of string }) bool {
			return r.name == c.reason
		})
		before := w.refusals.counts[reason].Load()
		address := fmt.Sprintf("198.51.100.%d", i)
		if w.serveAs(c.token, address, c.name, json.RawMessage(c.request)) == nil {
			t.Fatalf("%s: not refused", c.reason)
		}
		if n := w.refusals.counts[reason].Load() - before; n != 1 {
			t.Errorf("%s: counted %d times", c.reason, n)
		}
		var line struct{ Level, Reason, Address, RootKey string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v: %s", c.reason, err, log.String())
		}
		if line.Level != "WARN" || line.Reason != c.reason || line.Address != address ||
			line.RootKey != c.id {
			t.Errorf("%+v", line)
		}
		if c.token != "" && strings.Contains(log.String(), c.token) {
			t.Errorf("%s: the log has the root key", c.reason)
		}
	}
	log.Reset()
	if err := w.serveAs(w.root, "198.51.100.99", "apis.getApi", getAPI("api_unknown")); err == nil {
		t.Fatal("an unknown API was found")
	}
	if log.Len() > 0 {
		t.Errorf("what does not exist is no refusal: %s", log.String())
	}
}

func TestTheLogGetsFewRefusalsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusals()
		lines := func(address string) (n int) {
			for range 1000 {
				if r.logs(address) {
					n++
				}
			}
			return n
		}
		if n := lines("198.51.100.1"); n != 10 {
			t.Errorf("%d lines at once, want 10", n)
		}
		if n := lines("198.51.100.2"); n != 10 {
			t.Errorf("%d lines of another address, want 10", n)
		}
		time.Sleep(time.Second)
		if n := lines("198.51.100.1"); n != 10 {
			t.Errorf("%d lines a second later, want 10", n)
		}
	})
}

func TestDecryptionsAreAudited(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, StoreEncryptedKeys: latchkey.Set(true),
	})
	one := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
	two := w.newKey(latchkey.CreateKeyRequest{APIID: api, Recoverable: true})
	w.newKey(latchkey.CreateKeyRequest{APIID: api})
	decryptions := func() (records []latchkey.AuditLog) {
		return must[[]latchkey.AuditLog](w, w.who, "auditLogs.listAuditLogs",
			latchkey.ListAuditLogsRequest{Event: "key.decrypt"})
	}
	get := latchkey.GetKeyRequest{KeyID: one.KeyID}
	list := latchkey.ListKeysRequest{APIID: api}
	must[latchkey.Key](w, w.who, "keys.getKey", get)
	must[[]latchkey.Key](w, w.who, "apis.listKeys", list)
	if records := decryptions(); len(records) != 0 {
		t.Errorf("reads without plaintext are recorded: %+v", records)
	}
	get.Decrypt, list.Decrypt = true, true
	must[latchkey.Key](w, w.who, "keys.getKey", get)
	must[[]latchkey.Key](w, w.who, "apis.listKeys", list)
	records := decryptions()
	if len(records) != 2 || len(records[0].Targets) != 3 || len(records[1].Targets) != 2 ||
		records[1].Targets[1].ID != one.KeyID {
		t.Fatalf("%+v", records)
	}
	if text := fmt.Sprint(records[0].Targets); !strings.Contains(text, one.KeyID) ||
		!strings.Contains(text, two.KeyID) {
		t.Errorf("the page's record has %s", text)
	}
	w.exec("DROP TABLE audit_logs")
	for name, request := range map[string]any{"keys.getKey": get, "apis.listKeys": list} {
		if _, err := w.do(w.who, name, request); err == nil {
			t.Errorf("%s: a plaintext without a record", name)
		}
	}
}

func TestAWorkspaceSeesWhatTheOperatorDoesInIt(t *testing.T) {
	w := newWorld(t)
	workspace := w.newWorkspace("other")
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{WorkspaceID: workspace, Name: latchkey.Set("renamed")})
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace, Permissions: []string{"api.*.decrypt_key"},
	})
	must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey", latchkey.UpdateRootKeyRequest{
		RootKeyID: root.RootKeyID, Name: latchkey.Set("renamed"),
	})
	if _, err := w.do(w.who, "rootKeys.deleteRootKey",
		latchkey.DeleteRootKeyRequest{RootKeyID: root.RootKeyID}); err != nil {
		t.Fatal(err)
	}
	for _, log := range [][]latchkey.AuditLog{
		w.auditLogs(workspace), w.auditLogs(w.who.WorkspaceID()),
	} {
		var events []string
		for _, record := range log {
			if record.Actor.ID == w.who.root.id {
				events = append(events, record.Event)
			}
		}
		slices.Sort(events)
		want := []string{
			"key.create", "key.delete", "key.update", "workspace.create", "workspace.update",
		}
		if !slices.Equal(slices.Compact(events), want) {
			t.Errorf("recorded: %v, want %v", events, want)
		}
	}
}
