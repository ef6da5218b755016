package embedded

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// verified returns the rows of a query of verifications.
func verified(t *testing.T, c *latchkey.Client, query string) []latchkey.AnalyticsRow {
	t.Helper()
	rows, err := c.Analytics.GetVerifications(t.Context(), latchkey.AnalyticsRequest{Query: query})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func limitRows(t *testing.T, c *latchkey.Client, query string) []latchkey.AnalyticsRow {
	t.Helper()
	rows, err := c.Analytics.GetRatelimits(t.Context(), latchkey.AnalyticsRequest{Query: query})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

// holding returns a client with a new root key.
func holding(t *testing.T, s *Service, workspace string, permissions ...string) *latchkey.Client {
	t.Helper()
	made, err := s.Client.RootKeys.Create(t.Context(), latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace, Permissions: permissions,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client(t, s, made.Key)
}

// TestWhatHappensIsRecorded verifies keys of two APIs and asks for it: each verification is
// one event with its tags, credits and outcome, a root key sees what it can read, another
// workspace sees nothing, and a restart forgets nothing.
func TestWhatHappensIsRecorded(t *testing.T) {
	dir := newDir(t)
	s := open(t, quiet(dir))
	key := verifiedKey(t, s, latchkey.CreateKeyRequest{
		ExternalID: "customer", Credits: &latchkey.Credits{Remaining: latchkey.Int(7)},
	})
	ctx := t.Context()
	other, err := s.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "another"})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.Client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: other.APIID})
	if err != nil {
		t.Fatal(err)
	}
	tags := []string{"path=/v1"}
	for _, r := range []latchkey.VerifyKeyRequest{
		{Key: key, Tags: tags, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(5)}},
		{Key: key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(5)}}, // exceeds them
		{Key: plain.Key}, {Key: "unknown"},
	} {
		if _, err := s.Client.Keys.Verify(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	tags[0] = "changed later"
	const query = "SELECT outcome, external_id, tags, spent_credits FROM key_verifications_v1 " +
		"ORDER BY external_id, spent_credits DESC"
	want := []latchkey.AnalyticsRow{
		{"outcome": "VALID", "external_id": "", "tags": []any{}, "spent_credits": int64(0)},
		{
			"outcome": "VALID", "external_id": "customer", "tags": []any{"path=/v1"},
			"spent_credits": int64(5),
		},
		{"outcome": "VALID", "external_id": "customer", "tags": []any{}, "spent_credits": int64(1)},
		{
			"outcome": "USAGE_EXCEEDED", "external_id": "customer", "tags": []any{},
			"spent_credits": int64(0),
		},
	}
	if diff := cmp.Diff(want, verified(t, s.Client, query)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	const count = "SELECT count() AS n FROM key_verifications_v1 WHERE 1 OR workspace_id != ''"
	some := holding(t, s, "", "api."+other.APIID+".read_analytics")
	if got := verified(t, some, count)[0]["n"]; got != int64(1) {
		t.Errorf("a root key for one API sees %v events", got)
	}
	workspace, err := s.Client.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	foreign := holding(t, s, workspace.WorkspaceID, "api.*.read_analytics")
	if got := verified(t, foreign, count)[0]["n"]; got != int64(0) {
		t.Errorf("another workspace sees %v events", got)
	}
	closed(t, s)
	s = open(t, quiet(dir))
	defer closed(t, s)
	if got := len(verified(t, s.Client, query)); got != len(want) {
		t.Errorf("after a restart: %d events", got)
	}
}

// TestDecisionsOnLimitsAreRecorded, one for each limit of a batch, unless the request says
// that it doesn't want that.
func TestDecisionsOnLimitsAreRecorded(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx := t.Context()
	limit := latchkey.LimitRequest{
		Namespace: "emails", Identifier: "user", Limit: 2, Duration: latchkey.Per(time.Hour),
		Cost: latchkey.Int(2),
	}
	for range 2 {
		if _, err := s.Client.Ratelimits.Limit(ctx, limit); err != nil {
			t.Fatal(err)
		}
	}
	batch := latchkey.MultiLimitRequest{limit, limit}
	batch[1].Identifier = "another"
	if _, err := s.Client.Ratelimits.MultiLimit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	body := `{"namespace":"emails","identifier":"user","limit":9,"duration":60000}`
	for _, metrics := range []string{"disabled", "enabled"} {
		r := httptest.NewRequest(http.MethodPost, "/v2/ratelimit.limit", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.RootKey)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Unkey-Metrics", metrics)
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	const query = "SELECT identifier, passed, limit, tokens, count() AS n FROM ratelimits_v1 " +
		"GROUP BY ALL ORDER BY identifier, passed, tokens"
	want := []latchkey.AnalyticsRow{
		{"identifier": "another", "passed": true, "limit": int64(2), "tokens": int64(2), "n": int64(1)},
		{"identifier": "user", "passed": false, "limit": int64(2), "tokens": int64(2), "n": int64(2)},
		{"identifier": "user", "passed": true, "limit": int64(9), "tokens": int64(1), "n": int64(1)},
		{"identifier": "user", "passed": true, "limit": int64(2), "tokens": int64(2), "n": int64(1)},
	}
	if diff := cmp.Diff(want, limitRows(t, s.Client, query)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestEventsCanBeOff(t *testing.T) {
	dir := newDir(t)
	cfg := quiet(dir)
	cfg.EventsOff = true
	s, _ := serviceOn(t, cfg, latchkey.CreateKeyRequest{})
	_, err := s.Client.Analytics.GetVerifications(t.Context(), latchkey.AnalyticsRequest{
		Query: "SELECT count() FROM key_verifications_v1",
	})
	var refused *latchkey.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusPreconditionFailed {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, EventsFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

// TestTheServiceNeedsNoEvents: it starts and verifies although events can't be stored, and says
// that they can't be read.
func TestTheServiceNeedsNoEvents(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, EventsFile), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), quiet(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }() // its events are lost
	if _, err := s.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{
		Name: "an api",
	}); err != nil {
		t.Error(err)
	}
	_, err = s.Client.Analytics.GetVerifications(t.Context(), latchkey.AnalyticsRequest{
		Query: "SELECT count() FROM key_verifications_v1",
	})
	if !errors.Is(err, latchkey.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
