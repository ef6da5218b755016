package query

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey/internal/events"
)

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// randomCondition returns a condition that tries to see everything.
func randomCondition(r *rand.Rand, depth int) string {
	if depth > 3 {
		return pick(r, "1", "workspace_id = 'ws_2'", "key_id LIKE '%'", "time > 1790000000000")
	}
	a, b := randomCondition(r, depth+1), randomCondition(r, depth+1)
	return pick(r, a, "NOT ("+a+")", "("+a+" OR "+b+")", "("+a+" AND "+b+")",
		"workspace_id != 'ws_1'", "workspace_id IN ('ws_1', 'ws_2')", "1 = 1",
		"key_id IN (SELECT key_id FROM key_verifications_v1 WHERE "+b+")",
		"spent_credits < (SELECT count() FROM key_verifications_v1 WHERE "+b+")")
}

// randomQuery returns a query of verifications.
func randomQuery(r *rand.Rand, depth int) string {
	where := " WHERE " + randomCondition(r, 0)
	if depth < 2 && r.IntN(4) == 0 {
		return randomQuery(r, depth+1) + " " + pick(r, "UNION ALL ", "EXCEPT ", "INTERSECT ") +
			randomQuery(r, depth+1)
	}
	item := pick(r, "workspace_id", "key_id", "external_id", "toString(count())",
		"any(workspace_id)", "max(key_id)", "toString(uniq(workspace_id))", "request_id",
		"arrayJoin(tags)")
	from := "key_verifications_v1"
	switch r.IntN(4) {
	case 0:
		from = "(SELECT * FROM key_verifications_v1" + where + ")"
	case 1:
		from += " AS a " + pick(r, "LEFT", "RIGHT", "FULL", "INNER") +
			" JOIN (SELECT key_id AS k, workspace_id AS w FROM key_verifications_v1) AS b " +
			"ON a.key_id = b.k"
	}
	return fmt.Sprintf("SELECT %s AS x FROM %s%s", item, from, where)
}

// TestTenantsNeverMeet runs random queries of a workspace twice, over its own events alone and
// beside those of another: the results are the same.
func TestTenantsNeverMeet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	alone, beside := newWorld(t), newWorld(t)
	for i := range 40 {
		at := present.UnixMilli() - r.Int64N(day.Milliseconds())
		for _, workspace := range []string{"ws_1", "ws_2"} {
			v := &events.Verification{
				Key: &named{
					Workspace: workspace, Space: pick(r, "ks_1", "ks_2"),
					Key: fmt.Sprint("key_", r.IntN(5)), External: "user",
				},
				At: at, RequestID: fmt.Sprint(workspace, i), Credits: r.Int64N(4),
				Tags: &[]string{workspace},
			}
			beside.log.Verify(0, v)
			if workspace == "ws_1" {
				alone.log.Verify(0, v)
			}
		}
	}
	understood := 0
	for range 40 {
		question := beside.question(events.Verifications,
			"SELECT x FROM ("+randomQuery(r, 0)+") ORDER BY x")
		question.Scope.Spaces = [][]string{nil, {"ks_1"}}[r.IntN(2)]
		want, wantErr := alone.Run(t.Context(), question)
		got, err := beside.Run(t.Context(), question)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s\n%v, alone %v", question.SQL, err, wantErr)
		}
		if err == nil {
			understood++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n-alone +beside\n%s", question.SQL, diff)
		}
	}
	if understood == 0 {
		t.Error("no query was understood")
	}
}

// TestQueriesAreBounded: what would take all time, memory or rows is refused.
func TestQueriesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.record(400)
	twice := "count() AS a0"
	for i := range 40 {
		twice += fmt.Sprintf(", a%d + a%d AS a%d", i, i, i+1)
	}
	with := "WITH x0 AS (SELECT key_id FROM key_verifications_v1)"
	for i := range 20 {
		with += fmt.Sprintf(", x%d AS (SELECT a.key_id FROM x%d a, x%d b)", i+1, i, i)
	}
	const table = " FROM key_verifications_v1"
	// Each column doubles the work on the one before, and its text stays NULL.
	empty := "NULL + [1, 1] AS a0"
	for i := range 17 {
		empty += fmt.Sprintf(", NULL + [%s] AS a%d", strings.TrimPrefix(strings.Repeat(
			fmt.Sprintf(", a%d", i), 20), ", "), i+1)
	}
	// One row at once, and then none for hours.
	numbers := make([]string, 151)
	for i := range numbers {
		numbers[i] = fmt.Sprint(i + 1)
	}
	var arrays []string
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		arrays = append(arrays, "["+strings.Join(numbers[:len(numbers)-i], ",")+"] AS "+name)
	}
	for sql, want := range map[string]Reason{
		"SELECT " + twice + table:                                                            Invalid,
		"SELECT " + strings.Repeat("NOT ", 200) + "1" + table:                                Invalid,
		with + " SELECT count() FROM x20":                                                    Invalid,
		"SELECT time" + table + strings.Repeat(" ", 16400):                                   Invalid,
		"SELECT 1" + strings.Repeat(", key_id", 70) + table:                                  Invalid,
		"SELECT spent_credits AS s" + table + " ORDER BY s WITH FILL TO 1000000":             TooManyRows,
		"SELECT count()" + table + " a," + table[6:] + " b," + table[6:] + " c," + table[6:]: TooSlow,
		"SELECT " + empty + table:                                                            Invalid,
		"SELECT 1 FROM (SELECT count() AS n" + table + ") ARRAY JOIN " + strings.Join(arrays, ", ") +
			" WHERE a + b + c + d + e = 5": TooSlow,
		"WITH [" + strings.Join(numbers, ",") + "] AS x SELECT spent_credits AS s" + table +
			" ORDER BY s WITH FILL FROM length(arrayFilter(a -> length(arrayFilter(" +
			"b -> length(arrayFilter(c -> length(arrayFilter(d -> a + b + c + d < 0, x)) < 0, " +
			"x)) < 0, x)) < 0, x))": TooSlow,
		"SELECT quantile()(time)" + table:               Invalid,
		"SELECT a.*" + table + " a," + table[6:] + " b": TooLarge,
	} {
		question := w.question(events.Verifications, sql)
		switch want { // each has one bound that it meets
		case TooSlow:
			question.Bounds.Timeout = 500 * time.Millisecond
		case TooLarge:
			question.Bounds.Bytes = 1 << 16
		}
		_, err := w.Run(t.Context(), question)
		var refused *Error
		if !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%.100s: %v, want reason %d", sql, err, want)
		}
	}
	if rows := w.ask(events.Verifications,
		"SELECT 1 AS one"+table+" a,"+table[6:]+" b LIMIT 50000",
	); len(rows) != testBounds.Rows {
		t.Errorf("%d rows, want %d", len(rows), testBounds.Rows)
	}
}

// FuzzTranslate: no text makes the translation panic or grow without bound.
func FuzzTranslate(f *testing.F) {
	f.Add("SELECT count() FROM key_verifications_v1 WHERE time > now() - INTERVAL 1 DAY")
	f.Add("WITH a AS (SELECT 1 AS x FROM key_verifications_v1) SELECT x FROM a ORDER BY x WITH FILL")
	f.Add("SELECT arrayFilter(x -> x = 'a', tags)[1] FROM key_verifications_v1 ARRAY JOIN tags AS t")
	f.Fuzz(func(t *testing.T, sql string) {
		tr := &translator{kind: events.Verifications, now: present.UnixMilli(),
			constants: func(string) (int64, error) { return 1, nil }}
		if out, err := tr.translate(sql, 100); err == nil && len(out.sql) > 64*maxSQL {
			t.Errorf("%d bytes of SQL", len(out.sql))
		}
	})
}
