package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
)

// One request with 1,000 new slugs of 128 characters and a user agent of 15 KiB writes 21
// records, which have little more than the names of what it changed: not 2,001 records
// with 30 MB.
func TestAuditRecordsOfARequestAreBounded(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.UserAgent = strings.Repeat("ü", 15<<9)
	slugs := make([]string, 1000)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("%0128d", i)
	}
	api := w.newAPI()
	w.exec("DELETE FROM audit_logs")
	must[latchkey.CreatedKey](w, who, "keys.createKey", latchkey.CreateKeyRequest{
		APIID: api, Name: strings.Repeat("n", 255), Permissions: slugs,
	})
	const sizes = "SELECT COALESCE(SUM(LENGTH(id) + LENGTH(workspace_id) + LENGTH(event) + " +
		"LENGTH(description) + LENGTH(actor_type) + LENGTH(actor_id) + LENGTH(actor_name) + " +
		"LENGTH(targets) + LENGTH(remote_ip) + LENGTH(user_agent) + LENGTH(correlation_id) + " +
		"16), 0) FROM audit_logs"
	records, bytes := w.number("SELECT COUNT(*) FROM audit_logs"), w.number(sizes)
	t.Logf("%d records of %d bytes each", records, bytes/records)
	if records != 21 || bytes > 2*1000*(128+64)+records*1100 {
		t.Errorf("%d records have %d bytes", records, bytes)
	}
	log := must[[]latchkey.AuditLog](w, w.who, "auditLogs.listAuditLogs",
		latchkey.ListAuditLogsRequest{Limit: 1})[0]
	if log.UserAgent != strings.Repeat("ü", 128) || !utf8.ValidString(log.Targets[1].Name) {
		t.Errorf("the record has %q", log.UserAgent)
	}
}

// exported reads the records in a file of an export.
func exported(t *testing.T, path string) (ids []string, torn int) {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var log exportedLog
		if json.Unmarshal(lines.Bytes(), &log) != nil {
			torn++
			continue
		}
		if log.WorkspaceID == "" || log.ID == "" || log.Event == "" || len(log.Targets) == 0 {
			t.Errorf("a record without its fields: %s", lines.Bytes())
		}
		ids = append(ids, log.ID)
	}
	return ids, torn
}

func TestAuditRecordsAreDroppedAfterTheRetentionAndExportedBefore(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "export")
	var err error
	w.auditRetention = 400 * 24 * time.Hour
	if w.auditExport, err = openAuditExport(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 * chunk { // more than one part
		w.newAPI()
	}
	old := w.number("SELECT COUNT(*) FROM audit_logs")
	w.advance(w.auditRetention)
	w.newAPI()
	drop := func() int {
		t.Helper()
		if err := w.dropAuditRecords(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.number("SELECT COUNT(*) FROM audit_logs")
	}
	if n := drop(); n != old+1 {
		t.Fatalf("%d records of %d are left before their time", n, old+1)
	}
	w.advance(time.Millisecond)

	file := filepath.Join(dir, "audit-2026-03.jsonl")
	if err := os.Mkdir(file, 0o700); err != nil { // a disk that takes nothing
		t.Fatal(err)
	}
	if w.dropAuditRecords(t.Context()) == nil || w.number("SELECT COUNT(*) FROM audit_logs") != old+1 {
		t.Fatal("records that can't be exported are dropped")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"workspaceId":"ws_1","id":"lo`), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := drop(); n != 1 {
		t.Errorf("%d records are left, want the new one", n)
	}
	ids, torn := exported(t, file)
	if len(ids) != old || torn != 1 || w.auditDropped.Load() != uint64(old) {
		t.Errorf("%d records exported, %d torn lines, %d counted, want %d, 1 and %d", len(ids), torn,
			w.auditDropped.Load(), old, old)
	}
}

func TestAuditExportNeedsARetention(t *testing.T) {
	for _, c := range []Config{
		{AuditExport: "x"}, {AuditRetention: -time.Second},
	} {
		if _, err := c.filled(); err == nil || !strings.Contains(err.Error(), "audit") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
