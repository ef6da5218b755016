package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

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
