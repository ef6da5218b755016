package store

import (
	"fmt"
	"strings"
	"testing"
)

// TestSearchesWalkAnIndex: every search reads one range of an index in its order, so a page
// costs the same whatever number of keys there are.
func TestSearchesWalkAnIndex(t *testing.T) {
	searches := map[string]KeySearch{
		"keys_workspace": {Order: KeysByID, Name: "n", PermissionID: "p"},
		"keys_api":       {Order: KeysByID, APIID: "a"},
		"keys_identity":  {Order: KeysByID, APIID: "a", IdentityID: "i", RoleID: "r"},
		"key_roles_keys": {Order: KeysByID, APIID: "a", RoleID: "r"},
		"keys_created":   {Order: KeysByCreated, Start: "s"},
		"keys_expires":   {Order: KeysByExpires, ExpiresFrom: 1, ExpiresTo: 2},
		"keys_start":     {Order: KeysByStart, Start: "sk_", IdentityID: "i"},
	}
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		ctx := t.Context()
		conn, err := db.pool.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		explain := "EXPLAIN QUERY PLAN "
		if db.Shared() {
			explain = "EXPLAIN "
			for _, way := range []string{"seqscan", "bitmapscan", "sort"} { // the tables are empty
				if _, err := conn.ExecContext(ctx, "SET enable_"+way+" = off"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for index, s := range searches {
			s.WorkspaceID, s.Most = "ws", 250
			text, args := s.query()
			rows, err := conn.QueryContext(ctx, explain+text, args...)
			if err != nil {
				t.Errorf("%s: %v", index, err)
				continue
			}
			plan := planOf(t, rows)
			if !strings.Contains(plan, index) || strings.Contains(plan, "SCAN k") ||
				strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Sort") {
				t.Errorf("%s: %s:\n%s", index, text, plan)
			}
		}
	})
}

// planOf returns the last column of all rows.
func planOf(t *testing.T, rows interface {
	Next() bool
	Columns() ([]string, error)
	Scan(...any) error
	Close() error
}) string {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, *values[len(values)-1].(*any))
	}
	return plan.String()
}
