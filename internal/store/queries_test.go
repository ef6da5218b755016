package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errUndo = errors.New("to be undone")

// everyQuery calls each query that reads or writes once, with arguments that
// name the rows of fill, and returns what each came to. What it writes is undone.
func everyQuery(t *testing.T, db *DB) map[string]string {
	t.Helper()
	fill(t, db)
	results := map[string]string{}
	for _, methods := range []reflect.Type{reflect.TypeFor[*reads](), reflect.TypeFor[*writes]()} {
		for i := range methods.NumMethod() {
			name := methods.Method(i).Name
			if name == "WithTx" || name == "LockHeads" && !db.Shared() {
				continue
			}
			err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
				results[name] = call(ctx, t, tx, name)
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	return results
}

// call calls a query and writes down its result.
func call(ctx context.Context, t *testing.T, tx *Tx, name string) string {
	t.Helper()
	query := reflect.ValueOf(tx).MethodByName(name)
	args := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < query.Type().NumIn(); i++ {
		args = append(args, argument(query.Type().In(i), name))
	}
	out := query.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	if err == nil {
		err = tx.flush(ctx)
	}
	switch {
	case isDuplicate(err):
		return "duplicate"
	case err != nil && !errors.Is(err, ErrNotFound):
		t.Errorf("%s: %v", name, err)
	}
	result := fmt.Sprint(err)
	for _, o := range out[:len(out)-1] {
		result += fmt.Sprintf(" %+v", o.Interface())
	}
	return result
}

// argument makes an argument of a type: every text is the id of every row that
// fill made, except where something new is inserted.
func argument(of reflect.Type, name string) reflect.Value {
	v := reflect.New(of).Elem()
	switch v.Interface().(type) {
	case string:
		v.SetString("id")
		if len(name) > 6 && name[:6] == "Insert" {
			v.SetString("new")
		}
	case int64:
		v.SetInt(7)
	case bool:
		v.SetBool(true)
	case []byte:
		v.SetBytes([]byte{0, 255, 'x'})
	case sql.NullInt64:
		v.Set(reflect.ValueOf(sql.NullInt64{Int64: 7, Valid: true}))
	default:
		for i := range v.NumField() {
			v.Field(i).Set(argument(v.Field(i).Type(), name))
		}
	}
	return v
}

// fill puts one row into each table whose every text is "id".
func fill(t *testing.T, db *DB) {
	t.Helper()
	all, err := tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range all {
		var args []any
		for _, c := range table.columns {
			switch {
			case c.name == "deleted_at":
				args = append(args, 0)
			case c.kind == "TEXT":
				args = append(args, "id")
			case c.kind == "BIGINT":
				args = append(args, 3)
			case c.kind == "BOOLEAN":
				args = append(args, true)
			default:
				args = append(args, []byte{1, 0, 2})
			}
		}
		if _, err := db.pool.ExecContext(t.Context(), table.insert(1), args...); err != nil {
			t.Fatal(table.name, err)
		}
	}
}

func TestQueriesAgreeOnBothEngines(t *testing.T) {
	results := map[string]map[string]string{}
	each(t, func(t *testing.T, where string) { results[t.Name()] = everyQuery(t, open(t, where)) })
	sqlite, postgres := results[t.Name()+"/sqlite"], results[t.Name()+"/postgres"]
	if postgres == nil {
		t.Skip("there is no PostgreSQL to compare with")
	}
	delete(postgres, "LockHeads")
	if len(sqlite) < 100 {
		t.Errorf("only %d queries", len(sqlite))
	}
	if diff := cmp.Diff(sqlite, postgres); diff != "" {
		t.Error(diff)
	}
}

// Nodes save last uses in any order.
func TestTheLatestUseOfAKeyWins(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		fill(t, db)
		for _, at := range []int64{5, 4, 7, 6} {
			err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
				return tx.MarkKeyUsed(ctx, "id", at)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		var got int64
		err := db.pool.QueryRowContext(t.Context(),
			"SELECT last_used_at FROM keys WHERE id = 'id'").Scan(&got)
		if err != nil || got != 7 {
			t.Errorf("last used at %d, want 7 (%v)", got, err)
		}
	})
}
