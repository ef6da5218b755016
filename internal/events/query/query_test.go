package query

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey/internal/events"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// present is the time of the tests.
var present = time.Date(2026, 10, 15, 12, 34, 56, 0, time.UTC)

type named events.Subject

func (n *named) Subject() events.Subject { return events.Subject(*n) }

// world is a log with an engine.
type world struct {
	*Engine
	t   *testing.T
	log *events.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log, err := events.Open(events.Config{
		File: filepath.Join(t.TempDir(), "events.db"), Node: "node",
		Now: func() time.Time { return present }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	e, err := New(log)
	if err != nil {
		t.Fatal(err)
	}
	return &world{e, t, log}
}

// testBounds are generous.
var testBounds = Bounds{Timeout: time.Minute, Rows: 10_000, Bytes: 4 << 20}

func (w *world) question(kind events.Kind, sql string) *Question {
	return &Question{
		SQL: sql, Kind: kind, Scope: Scope{Workspace: "ws_1"}, Now: present, Bounds: testBounds,
	}
}

// ask runs a query of workspace ws_1.
func (w *world) ask(kind events.Kind, sql string) []map[string]any {
	w.t.Helper()
	result, err := w.Run(w.t.Context(), w.question(kind, sql))
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return rowsOf(result)
}

func rowsOf(r *Result) []map[string]any {
	rows := []map[string]any{}
	for _, values := range r.Rows {
		row := map[string]any{}
		for i, v := range values {
			row[r.Columns[i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

// record records random events of some workspaces, and returns those of ws_1 as rows of the
// raw tables.
func (w *world) record(n int) (verifications, limits []map[string]any) {
	r := rand.New(rand.NewPCG(11, 12))
	for i := range n {
		at := present.Add(-time.Duration(r.Int64N(int64(6 * day)))).UnixMilli()
		key := &named{
			Workspace: []string{"ws_1", "ws_1", "ws_1", "ws_2"}[r.IntN(4)],
			Space:     fmt.Sprint("ks_", r.IntN(2)), Key: fmt.Sprint("key_", r.IntN(7)),
		}
		if who := r.IntN(5); who > 0 {
			key.Identity, key.External = fmt.Sprint("id_", who), fmt.Sprintf(`{"u":"x%d"}`, who)
		}
		v := &events.Verification{
			Key: key, At: at, RequestID: fmt.Sprint("req_", i), Latency: r.Uint32N(20_000),
			Outcome: uint8(r.IntN(len(events.Outcomes))), Credits: r.Int64N(5),
		}
		set := []string{}
		for tag := range 3 {
			if r.IntN(3) == 0 {
				set = append(set, fmt.Sprintf("path=/%d", tag))
			}
		}
		v.Tags = &set
		w.log.Verify(r.Uint32(), v)
		d := &events.Limit{
			Workspace: key.Workspace, Namespace: fmt.Sprint("rlns_", r.IntN(3)),
			Identifier: fmt.Sprintf("Ünï %d", r.IntN(4)), RequestID: v.RequestID, At: at,
			Latency: r.Uint32N(900), Limit: 10, Remaining: r.Int64N(10), Cost: 1 + r.Int64N(3),
			Reset: at + 1000, Passed: r.IntN(3) > 0,
		}
		w.log.Limited(r.Uint32(), d)
		if key.Workspace != "ws_1" {
			continue
		}
		verifications = append(verifications, map[string]any{
			"request_id": v.RequestID, "time": at, "workspace_id": "ws_1",
			"key_space_id": key.Space, "identity_id": key.Identity, "external_id": key.External,
			"key_id": key.Key, "region": "", "source": "api", "app_id": "",
			"outcome": events.Outcomes[v.Outcome], "tags": set, "spent_credits": v.Credits,
			"latency": float64(v.Latency) / 1000,
		})
		limits = append(limits, map[string]any{
			"request_id": d.RequestID, "time": at, "workspace_id": "ws_1",
			"namespace_id": d.Namespace, "identifier": d.Identifier, "passed": d.Passed,
			"latency": float64(d.Latency) / 1000, "override_id": "", "limit": d.Limit,
			"remaining": d.Remaining, "reset_at": d.Reset, "tokens": d.Cost,
		})
	}
	return verifications, limits
}

// The tables in ClickHouse. Those of sums are views, so that they are right by definition.
const (
	rawVerificationsDDL = `CREATE TABLE key_verifications_v1 (request_id String, time Int64,
		workspace_id String, key_space_id String, identity_id String, external_id String,
		key_id String, region String, source String, app_id String, outcome String,
		tags Array(String), spent_credits Int64, latency Float64) ENGINE = Memory`
	rawLimitsDDL = `CREATE TABLE ratelimits_v1 (request_id String, time Int64,
		workspace_id String, namespace_id String, identifier String, passed Bool,
		latency Float64, override_id String, limit UInt64, remaining UInt64, reset_at Int64,
		tokens UInt64) ENGINE = Memory`
	sumsOfVerificationsDDL = `CREATE VIEW key_verifications_per_%s_v1 AS
		SELECT bucket AS time, workspace_id, key_space_id, identity_id, external_id, key_id,
		outcome, source, app_id, tags, toInt64(count()) AS count,
		sum(spent_credits) AS spent_credits
		FROM (SELECT *, %s(fromUnixTimestamp64Milli(time, 'UTC')) AS bucket
			FROM key_verifications_v1)
		GROUP BY bucket, workspace_id, key_space_id, identity_id, external_id, key_id, outcome,
		source, app_id, tags`
	sumsOfLimitsDDL = `CREATE VIEW ratelimits_per_%s_v1 AS
		SELECT bucket AS time, workspace_id, namespace_id, identifier,
		toInt64(countIf(p)) AS passed, toInt64(count()) AS total,
		toInt64(sum(tokens)) AS total_tokens, toInt64(sumIf(tokens, p)) AS passed_tokens
		FROM (SELECT *, passed AS p, %s(fromUnixTimestamp64Milli(time, 'UTC')) AS bucket
			FROM ratelimits_v1)
		GROUP BY bucket, workspace_id, namespace_id, identifier, p`
)

type chTable struct {
	Name string           `json:"name"`
	DDL  string           `json:"ddl"`
	Rows []map[string]any `json:"rows"`
}

func clickhouseTables(verifications, limits []map[string]any) []chTable {
	tables := []chTable{
		{"key_verifications_v1", rawVerificationsDDL, verifications},
		{"ratelimits_v1", rawLimitsDDL, limits},
	}
	for _, step := range [][2]string{
		{"minute", "toStartOfMinute"}, {"hour", "toStartOfHour"}, {"day", "toDate"},
		{"month", "toStartOfMonth"},
	} {
		tables = append(tables,
			chTable{DDL: fmt.Sprintf(sumsOfVerificationsDDL, step[0], step[1])},
			chTable{DDL: fmt.Sprintf(sumsOfLimitsDDL, step[0], step[1])})
	}
	return tables
}

// TestQueriesEqualClickHouse runs queries on the same events here and in ClickHouse, and
// compares names, values and order. testdata/queries.sql has the queries.
func TestQueriesEqualClickHouse(t *testing.T) {
	python := os.Getenv("LATCHKEY_CHDB")
	if python == "" {
		t.Skip("LATCHKEY_CHDB names no Python that has the package chdb")
	}
	w := newWorld(t)
	verifications, limits := w.record(3000)
	queries := readQueries(t)
	want := runClickHouse(t, python, clickhouseTables(verifications, limits), queries)
	for i, q := range queries {
		kind := events.Verifications
		if strings.Contains(q, "ratelimits_") {
			kind = events.Limits
		}
		result, err := w.Run(t.Context(), w.question(kind, q))
		if err != nil {
			t.Errorf("%s\n%v\nClickHouse: %v", q, err, want[i])
			continue
		}
		got := throughJSON(t, rowsOf(result))
		if diff := cmp.Diff(want[i], got, cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
			t.Errorf("%s\n-ClickHouse +ours\n%s", q, diff)
		}
	}
}

func throughJSON(t *testing.T, v any) (out any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// readQueries returns the queries of the file, which blank lines separate. The time of the
// tests stands for now.
func readQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "queries.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var queries []string
	for q := range strings.SplitSeq(string(text), "\n\n") {
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(q), "\n"), func(l string) bool {
			return strings.HasPrefix(l, "--")
		})
		if len(lines) > 0 && lines[0] != "" {
			queries = append(queries, strings.Join(lines, "\n"))
		}
	}
	return queries
}

// runClickHouse returns the rows of each query, with times as RFC 3339, or the error's text.
func runClickHouse(t *testing.T, python string, tables []chTable, queries []string) []any {
	t.Helper()
	fixed := make([]string, len(queries))
	at := present.Format("'2006-01-02 15:04:05'")
	for i, q := range queries {
		fixed[i] = strings.NewReplacer("now()", "toDateTime("+at+")", "today()", "toDate("+at+")",
			"now64()", "toDateTime64("+at+", 3)").Replace(q)
	}
	input, err := json.Marshal(map[string]any{"tables": tables, "queries": fixed})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "clickhouse.py"))
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var results []any
	for line := range strings.Lines(string(out)) {
		var r struct {
			Meta  []struct{ Name, Type string }
			Data  []map[string]any
			Error string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if r.Error != "" {
			results = append(results, r.Error)
			continue
		}
		rows := []any{}
		for _, row := range r.Data {
			for _, c := range r.Meta {
				row[c.Name] = asRFC3339(row[c.Name], c.Type)
			}
			rows = append(rows, row)
		}
		results = append(results, rows)
	}
	if len(results) != len(queries) {
		t.Fatalf("%d results of %d queries", len(results), len(queries))
	}
	return results
}

func asRFC3339(v any, typ string) any {
	s, isText := v.(string)
	if !isText || !strings.Contains(typ, "Date") {
		return v
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04:05.999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format("2006-01-02T15:04:05.999Z07:00")
		}
	}
	return v
}
