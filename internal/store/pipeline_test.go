package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// A change of a group sees what those before it wrote, though its reads were prefetched.
func TestPrefetchedReadsSeeTheWritesBefore(t *testing.T) {
	t.Parallel()
	db := open(t, testenv.Postgres(t))
	db.writer.groupTime = time.Minute // so that all are in one group
	if err := db.Update(t.Context(), put("sum", "")); err != nil {
		t.Fatal(err)
	}
	works := make([]func(context.Context, *Tx) error, 20)
	for i := range works {
		works[i] = func(ctx context.Context, tx *Tx) error {
			sum, err := tx.DataKey(ctx, "sum")
			if err != nil {
				return err
			}
			if i%5 == 4 {
				return errors.Join(tx.UpdateDataKey(ctx, []byte("wrong"), "sum"), errUndo)
			}
			return tx.UpdateDataKey(ctx, append(sum, 'x'), "sum")
		}
	}
	for i, err := range together(t, db, works...) {
		if undone := i%5 == 4; undone != errors.Is(err, errUndo) || !undone && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if sum, err := db.DataKey(t.Context(), "sum"); string(sum) != strings.Repeat("x", 16) {
		t.Errorf("the sum is %q (%v), want 16 x", sum, err)
	}
}

// Two reads one after the other and some writes take four round trips: BEGIN, a read each,
// and COMMIT, for one change and for all of a group.
func TestAGroupTakesAsManyRoundTripsAsAChange(t *testing.T) {
	t.Parallel()
	where := testenv.Postgres(t)
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	counter := testenv.CountTrips(t, u.Host)
	db := open(t, strings.Replace(where, u.Host, counter.Addr, 1)+"&default_query_exec_mode=exec")
	db.writer.groupTime = time.Minute // so that the change that waits for the others joins them
	db.writer.rehearsal = time.Minute // though the machine is busy
	for _, n := range []int{2, 30} {
		works := make([]func(context.Context, *Tx) error, n)
		for i := range works {
			works[i] = func(ctx context.Context, tx *Tx) error {
				id := fmt.Sprint("key ", n, " ", i)
				_, err := tx.RoleByName(ctx, "", id)
				if !errors.Is(err, ErrNotFound) {
					return errors.Join(err, errUndo)
				}
				if _, err := tx.LiveAPI(ctx, id, ""); !errors.Is(err, ErrNotFound) {
					return errors.Join(err, errUndo)
				}
				for j := range 5 {
					if err := put(fmt.Sprint(id, " ", j), "1")(ctx, tx); err != nil {
						return err
					}
				}
				return put(id, "1")(ctx, tx)
			}
		}
		counter.Trips()
		if err := errors.Join(together(t, db, works...)...); err != nil {
			t.Fatal(err)
		}
		if trips := counter.Trips(); trips != 4 {
			t.Errorf("%d changes took %d round trips, want 4", n, trips)
		}
	}
}

// Texts name one row only where they do, whatever else they have.
func TestRowsNamedByTheirID(t *testing.T) {
	for text, want := range map[string]string{
		"-- name: x :one\n-- WHERE id = $1\nSELECT k.*, a.id FROM keys k\n" +
			"JOIN apis a ON a.id = k.api_id\nWHERE k.id = $2 AND k.deleted_at = 0\n": "keys 1",
		"UPDATE keys SET name = $2 WHERE id = $1\n":                           "keys 0",
		"DELETE FROM keys WHERE id = $1 AND hash = id":                        "keys 0",
		"INSERT INTO keys (id, hash)\nVALUES ($1, $2)\n":                      "keys 0",
		"INSERT INTO keys (id, hash) VALUES ($1, $2), ($3, $4)":               " 0",
		"INSERT INTO keys (id, n) VALUES ($1, $2) ON CONFLICT DO NOTHING":     " 0",
		"INSERT INTO keys (hash, id) VALUES ($1, $2)":                         " 0",
		"UPDATE keys SET name = $2 WHERE id = $1 OR name = $3":                " 0",
		"UPDATE keys SET name = $2 WHERE identity_id = $1":                    " 0",
		"DELETE FROM keys WHERE id IN (SELECT k.id FROM keys k)":              " 0",
		"SELECT b.remaining FROM keys k JOIN keys b ON TRUE WHERE k.id = $1":  " 0",
		"SELECT k.id FROM keys k WHERE k.id = $1 OR k.family = $1":            " 0",
		"SELECT k.id FROM keys k WHERE k.id = $1 UNION SELECT k.id FROM apis": " 0",
		"SELECT k.id FROM keys k WHERE k.identity_id = $1":                    " 0",
	} {
		m := meaningOf(text)
		if got := fmt.Sprint(m.rowOf, " ", m.rowArg); got != want {
			t.Errorf("%q names %q, want %q", text, got, want)
		}
	}
}

// Changes of different keys don't wait for each other's writes, and changes of one key see them.
func TestWritesToOtherRowsDontCostRoundTrips(t *testing.T) {
	t.Parallel()
	where := testenv.Postgres(t)
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	counter := testenv.CountTrips(t, u.Host)
	db := open(t, strings.Replace(where, u.Host, counter.Addr, 1)+"&default_query_exec_mode=exec")
	db.writer.groupTime, db.writer.rehearsal = time.Minute, time.Minute
	const keys = 10
	err = db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		errs := []error{tx.InsertAPI(ctx, write.InsertAPIParams{ID: "api"})}
		for i := range keys {
			id := fmt.Sprint(i)
			errs = append(errs, tx.InsertKey(ctx, write.InsertKeyParams{ID: id, APIID: "api", Hash: id}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		each  int // changes of each key
		trips int64
	}{{1, 3}, {2, 3 + keys}} {
		var works []func(context.Context, *Tx) error
		for i := range step.each * keys {
			works = append(works, func(ctx context.Context, tx *Tx) error {
				id := fmt.Sprint(i % keys)
				row, err := tx.LiveKey(ctx, id, "")
				if err != nil {
					return err
				}
				return tx.UpdateKey(ctx, write.UpdateKeyParams{ID: id, Name: row.Key.Name + "x"})
			})
		}
		counter.Trips()
		if err := errors.Join(together(t, db, works...)...); err != nil {
			t.Fatal(err)
		}
		if trips := counter.Trips(); trips != step.trips {
			t.Errorf("%d changes took %d round trips, want %d", len(works), trips, step.trips)
		}
	}
	for i := range keys {
		row, err := db.LiveKey(t.Context(), fmt.Sprint(i), "")
		if err != nil || row.Key.Name != "xxx" {
			t.Errorf("key %d has the name %q (%v), want xxx", i, row.Key.Name, err)
		}
	}
}
