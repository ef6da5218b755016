package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"pgregory.net/rapid"
)

// addKey makes a key with a balance.
func addKey(t testing.TB, db *DB, id string, balance sql.NullInt64) {
	t.Helper()
	err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return tx.InsertKey(ctx, write.InsertKeyParams{ID: id, Hash: id, Remaining: balance})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func credits(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: true} }

// spent is what one spend came to.
type spent struct {
	cost, left int64
	refused    bool
}

// spendAtOnce makes spends from several goroutines.
func spendAtOnce(t *rapid.T, db *DB, id string, costs []int64) []spent {
	all := make([]spent, len(costs))
	var wg sync.WaitGroup
	for i, cost := range costs {
		wg.Go(func() {
			left, err := db.Spend(context.Background(), id, cost)
			if err != nil && !errors.Is(err, ErrNotFound) {
				t.Errorf("spend: %v", err)
			}
			all[i] = spent{cost, left, err != nil}
		})
	}
	wg.Wait()
	return all
}

// inOrderOfSpending sorts what was accepted by what it left; of spends that left
// the same, only the first can have had a cost, and it left it first.
func inOrderOfSpending(all []spent) []spent {
	all = slices.DeleteFunc(slices.Clone(all), func(s spent) bool { return s.refused })
	slices.SortFunc(all, func(a, b spent) int {
		switch {
		case a.left != b.left:
			return int(b.left - a.left)
		default:
			return int(b.cost - a.cost)
		}
	})
	return all
}

// TestSpendsAreAsIfOneAfterTheOther: whatever is combined, those that are
// accepted form a chain from the first balance to the last one, each having what
// the one before has left, and those that are refused cost more than is left at
// the end, because nothing adds to the balance.
func TestSpendsAreAsIfOneAfterTheOther(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			id := fmt.Sprintf("key %d", n)
			balance := rapid.Int64Range(0, 40).Draw(rt, "balance")
			costs := rapid.SliceOfN(rapid.Int64Range(0, 12), 1, 12).Draw(rt, "costs")
			addKey(t, db, id, credits(balance))
			all := spendAtOnce(rt, db, id, costs)
			for _, s := range inOrderOfSpending(all) {
				if balance -= s.cost; balance != s.left || balance < 0 {
					rt.Fatalf("a spend of %d left %d and should have left %d: %+v", s.cost, s.left, balance, all)
				}
			}
			for _, s := range all {
				if s.refused && s.cost <= balance {
					rt.Fatalf("a spend of %d was refused, and %d are left: %+v", s.cost, balance, all)
				}
			}
			if left, err := db.Balance(t.Context(), id); err != nil || left != credits(balance) {
				rt.Fatalf("the balance is %v, want %d (%v)", left, balance, err)
			}
		})
	})
}

// TestCombineIsTheNaiveSequence: spends that are made together, with nobody
// else at work, come to what they come to one by one in order of arrival,
// except that more can be accepted: one that is too large doesn't hold up the next.
func TestCombineIsTheNaiveSequence(t *testing.T) {
	db := open(t, t.TempDir())
	n := 0
	cost := rapid.OneOf(rapid.Int64Range(0, 10), rapid.SampledFrom([]int64{math.MaxInt64, math.MaxInt64 - 3}))
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := fmt.Sprintf("key %d", n)
		balance := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Just(int64(math.MaxInt64))).Draw(rt, "balance")
		addKey(t, db, id, credits(balance))
		var all []*spend
		for _, c := range rapid.SliceOfN(cost, 1, 20).Draw(rt, "costs") {
			all = append(all, &spend{cost: c})
		}
		undone, err := db.spendTogether(t.Context(), id, all)
		if err != nil || len(undone) > 0 {
			rt.Fatal(undone, err)
		}
		for i, s := range all {
			if fits := s.cost <= balance; fits != (s.result == nil) {
				rt.Fatalf("spend %d of %d with %d left: %v", i, s.cost, balance, s.result)
			} else if fits {
				if balance -= s.cost; s.left != balance {
					rt.Fatalf("spend %d left %d, want %d", i, s.left, balance)
				}
			}
		}
	})
}

// TestSpendsOfAllNodesAreExact: nodes that spend from one key while another one
// fills it up accept exactly what there was.
func TestSpendsOfAllNodesAreExact(t *testing.T) {
	where := testenv.Postgres(t)
	nodes := []*DB{open(t, where), open(t, where)}
	const first, refills, amount = 1000, 40, 25
	addKey(t, nodes[0], "key", credits(first))
	var mu sync.Mutex
	var taken int64
	var wg sync.WaitGroup
	for i := range 64 {
		db := nodes[i%2]
		wg.Go(func() {
			for j := range 50 {
				cost := int64((i + j) % 4)
				switch _, err := db.Spend(t.Context(), "key", cost); {
				case err == nil:
					mu.Lock()
					taken += cost
					mu.Unlock()
				case !errors.Is(err, ErrNotFound):
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range refills {
			err := nodes[0].Update(t.Context(), func(ctx context.Context, tx *Tx) error {
				_, err := tx.AddBalance(ctx, amount, "key")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	left, err := nodes[0].Balance(t.Context(), "key")
	if err != nil || taken+left.Int64 != first+refills*amount {
		t.Errorf("%d taken and %d left of %d (%v)", taken, left.Int64, first+refills*amount, err)
	}
}

// TestThereIsNothingToSpend of a key that isn't there, is deleted or isn't counted.
func TestThereIsNothingToSpend(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		addKey(t, db, "unlimited", sql.NullInt64{})
		addKey(t, db, "deleted", credits(5))
		err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error { return tx.MarkKeyDeleted(ctx, "deleted", 1) })
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"unlimited", "deleted", "none"} {
			var wg sync.WaitGroup
			for cost := range int64(5) {
				wg.Go(func() {
					if _, err := db.Spend(t.Context(), id, cost); !errors.Is(err, ErrNotFound) {
						t.Errorf("%s: %d: error %v", id, cost, err)
					}
				})
			}
			wg.Wait()
		}
		if _, err := db.Spend(t.Context(), "deleted", -1); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("a negative cost: error %v", err)
		}
	})
}

// TestASpendThatHasBegunIsFinished, and one that hasn't is left with its caller.
func TestASpendThatHasBegunIsFinished(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		addKey(t, db, "key", credits(100))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := db.Spend(ctx, "key", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := int64(0)
		for i := range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
			wg.Go(func() {
				defer cancel()
				if _, err := db.Spend(ctx, "key", 1); err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				} else if ctx.Err() == nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := db.spends.close(); err != nil {
			t.Fatal(err)
		}
		if left, err := db.Balance(t.Context(), "key"); err != nil || left.Int64 != 100-taken {
			t.Errorf("%d are left after %d (%v)", left.Int64, taken, err)
		}
		if _, err := db.Spend(t.Context(), "key", 1); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: error %v", err)
		}
	})
}

// TestALostAnswerToASpendIsSaid: it is made once, whichever way the server is spoken to.
func TestALostAnswerToASpendIsSaid(t *testing.T) {
	for _, mode := range []string{"cache_statement", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			where, proxy := behind(t, testenv.Postgres(t)+"&default_query_exec_mode="+mode)
			db := open(t, where)
			addKey(t, db, "key", credits(100))
			if _, err := db.Spend(t.Context(), "key", 1); err != nil {
				t.Fatal(err)
			}
			proxy.OnServer(func(sent []byte) bool { return bytes.Contains(sent, []byte("UPDATE 1\x00")) })
			if _, err := db.Spend(t.Context(), "key", 10); !errors.Is(err, ErrUnknownOutcome) {
				t.Errorf("error %v", err)
			}
			proxy.OnServer(nil)
			if left, err := db.Balance(t.Context(), "key"); err != nil || left.Int64 != 89 {
				t.Errorf("%v are left (%v)", left, err)
			}
		})
	}
}

// BenchmarkSpend shows what combining is worth: one key, many callers.
func BenchmarkSpend(b *testing.B) {
	for name, where := range durable {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				db := open(b, where(b))
				addKey(b, db, "key", credits(math.MaxInt64))
				atOnce(b, callers, func() error {
					_, err := db.Spend(b.Context(), "key", 1)
					return err
				})
			})
		}
	}
}
