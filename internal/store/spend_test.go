package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"pgregory.net/rapid"
)

// addBalance makes a balance.
func addBalance(t testing.TB, db *DB, id string, balance int64) {
	t.Helper()
	err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return tx.InsertBalance(ctx, write.InsertBalanceParams{ID: id, Remaining: balance})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spent is what one spend came to.
type spent struct {
	cost, left      int64
	refusedByServer bool
}

// spendAtOnce makes spends from several goroutines.
func spendAtOnce(t *rapid.T, db *DB, id string, costs []int64) []spent {
	all := make([]spent, len(costs))
	var wg sync.WaitGroup
	for i, cost := range costs {
		wg.Go(func() {
			left, err := db.Spend(context.Background(), "", id, cost)
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
	all = slices.DeleteFunc(slices.Clone(all), func(s spent) bool { return s.refusedByServer })
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

// The accepted spends form a chain from the first balance to the last one, in which
// each leaves what the next one finds. The denied ones cost more than the final
// balance, because nothing adds to it.
func TestSpendsAreSerializable(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			id := fmt.Sprintf("key %d", n)
			balance := rapid.Int64Range(0, 40).Draw(rt, "balance")
			costs := rapid.SliceOfN(rapid.Int64Range(0, 12), 1, 12).Draw(rt, "costs")
			addBalance(t, db, id, balance)
			all := spendAtOnce(rt, db, id, costs)
			for _, s := range inOrderOfSpending(all) {
				if balance -= s.cost; balance != s.left || balance < 0 {
					rt.Fatalf("a spend of %d left %d and should have left %d: %+v", s.cost,
						s.left, balance, all)
				}
			}
			for _, s := range all {
				if s.refusedByServer && s.cost <= balance {
					rt.Fatalf("a spend of %d was refused, and %d are left: %+v", s.cost, balance,
						all)
				}
			}
			if left, err := db.Balance(t.Context(), id); err != nil || left != balance {
				rt.Fatalf("the balance is %v, want %d (%v)", left, balance, err)
			}
		})
	})
}

// Combined spends have the results of single spends in order of arrival, with one
// exception: a spend that is too large doesn't block the next. Spends of different
// keys don't affect each other.
func TestCombinedSpendsAgreeWithSingleSpends(t *testing.T) {
	db := open(t, "sqlite://"+t.TempDir())
	n := 0
	cost := rapid.OneOf(rapid.Int64Range(0, 10),
		rapid.SampledFrom([]int64{math.MaxInt64, math.MaxInt64 - 3}))
	balance := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Just(int64(math.MaxInt64)))
	rapid.Check(t, func(rt *rapid.T) {
		balances := map[string]int64{}
		var unasked []string
		for range rapid.IntRange(1, 5).Draw(rt, "keys") {
			n++
			id := fmt.Sprintf(`key "%d"`, n)
			if rapid.IntRange(0, 3).Draw(rt, "odd") == 0 {
				addBalance(t, db, id+"\ufffd", 100) // what JSON would make of the next one
				unasked = append(unasked, id+"\ufffd")
				id += "\xff"
			}
			balances[id] = -1 // nothing to spend
			switch rapid.SampledFrom([]string{
				"counted", "counted", "deleted", "none",
			}).Draw(rt, "kind") {
			case "counted":
				balances[id] = balance.Draw(rt, "balance")
				addBalance(t, db, id, balances[id])
			case "deleted":
				addBalance(t, db, id, 100)
				err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
					return tx.DeleteBalance(ctx, id)
				})
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
		ids := slices.Sorted(maps.Keys(balances))
		var all []*spend
		for _, c := range rapid.SliceOfN(cost, 1, 20).Draw(rt, "costs") {
			all = append(all, &spend{id: rapid.SampledFrom(ids).Draw(rt, "key"), cost: c})
		}
		if err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			return tx.spend(ctx, all)
		}); err != nil {
			rt.Fatal(err)
		}
		for i, s := range all {
			balance := balances[s.id]
			if fits := s.cost <= balance; fits != (s.result == nil) {
				rt.Fatalf("spend %d of %d with %d left: %v", i, s.cost, balance, s.result)
			} else if fits {
				if balances[s.id] = balance - s.cost; s.left != balances[s.id] {
					rt.Fatalf("spend %d left %d, want %d", i, s.left, balances[s.id])
				}
			}
		}
		for _, id := range unasked {
			if left, err := db.Balance(t.Context(), id); err != nil || left != 100 {
				rt.Fatalf("%q has %v left, of which nothing was asked (%v)", id, left, err)
			}
		}
		for id, want := range balances {
			if left, err := db.Balance(t.Context(), id); want >= 0 &&
				(err != nil || left != want) {
				rt.Fatalf("the balance is %v, want %d (%v)", left, want, err)
			}
		}
	})
}

// While nodes spend from one key and another one adds to it, they accept exactly what
// there was.
func TestSpendsOfAllNodesAreExact(t *testing.T) {
	where := testenv.Postgres(t)
	nodes := []*DB{open(t, where), open(t, where)}
	const first, refills, amount = 1000, 40, 25
	addBalance(t, nodes[0], "key", first)
	var mu sync.Mutex
	var taken int64
	var wg sync.WaitGroup
	for i := range 64 {
		db := nodes[i%2]
		wg.Go(func() {
			for j := range 50 {
				cost := int64((i + j) % 4)
				switch _, err := db.Spend(t.Context(), "", "key", cost); {
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
	if err != nil || taken+left != first+refills*amount {
		t.Errorf("%d taken and %d left of %d (%v)", taken, left, first+refills*amount, err)
	}
}

// A failed change makes its group run again. Each spend of the group is still made
// once.
func TestSpendsAreExactBesideFailedChanges(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		const keys, balance, callers, times = 5, 60, 20, 20
		for i := range keys {
			addBalance(t, db, fmt.Sprint("key ", i), balance)
		}
		var taken [keys]atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range times {
					key := (i + j) % keys
					switch _, err := db.Spend(t.Context(), "", fmt.Sprint("key ", key), 1); {
					case err == nil:
						taken[key].Add(1)
					case !errors.Is(err, ErrNotFound):
						t.Error(err)
					}
				}
			})
		}
		failure := errors.New("failure")
		wg.Go(func() {
			for range 3 * times {
				err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
					_, err := tx.AddBalance(ctx, 1000, "key 0")
					return errors.Join(err, failure)
				})
				if !errors.Is(err, failure) {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		for i := range keys {
			left, err := db.Balance(t.Context(), fmt.Sprint("key ", i))
			if got := taken[i].Load(); err != nil || got != balance || left != 0 {
				t.Errorf("key %d: %d taken and %v left of %d (%v)", i, got, left, balance, err)
			}
		}
	})
}

// Combined spends of other keys succeed.
func TestAnUnwritableRowFailsOnlyItsOwnSpends(t *testing.T) {
	db := open(t, "sqlite://"+t.TempDir())
	const keys, times = 6, 20
	for i := range keys {
		addBalance(t, db, fmt.Sprint("key ", i), times)
	}
	_, err := db.pool.ExecContext(t.Context(), "CREATE TRIGGER damage BEFORE UPDATE ON balances "+
		"WHEN NEW.id = 'key 0' BEGIN SELECT RAISE(ABORT, 'damaged'); END")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			for range times {
				if _, err := db.Spend(
					t.Context(), "", fmt.Sprint("key ", i), 1,
				); (err == nil) != (i > 0) || errors.Is(err, ErrNotFound) {
					t.Errorf("key %d: error %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	for i := range keys {
		want := int64(0)
		if i == 0 {
			want = times
		}
		if left, err := db.Balance(t.Context(), fmt.Sprint("key ", i)); err != nil ||
			left != want {
			t.Errorf("key %d: %v left, want %d (%v)", i, left, want, err)
		}
	}
}

// uncommitting is a session whose commits may fail.
type uncommitting struct {
	writerConn
	fails func() error // asked before each commit
}

func (s uncommitting) commit(ctx context.Context, begun head) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.writerConn.commit(ctx, begun)
}

// A change whose callers have all left fails while another caller enters the line.
func TestASpendGetsOnlyTheResultOfItsOwnCommit(t *testing.T) {
	db := open(t, "sqlite://"+t.TempDir())
	addBalance(t, db, "key", 10)
	first, second, spent := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	commits := 0
	old := db.writer
	db.writer = startWriter(uncommitting{old.writerConn, func() error {
		switch commits++; commits {
		case 1: // that of the blocking change
			close(first)
			<-second
		case 2: // that of the spend whose caller has left
			go func() {
				_, err := db.Spend(t.Context(), "", "key", 1)
				spent <- err
			}()
			for db.spends.waitingIn("") == 0 {
				time.Sleep(time.Millisecond)
			}
			return errors.New("disk full")
		}
		return nil
	}})
	t.Cleanup(func() { old.queue.close() })
	go func() { _ = db.Update(t.Context(), func(context.Context, *Tx) error { return nil }) }()
	<-first
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := db.Spend(ctx, "", "key", 1)
		left <- err
	}()
	for db.spends.waitingIn("") == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got error %v", err)
	}
	close(second)
	if err := <-spent; err != nil {
		t.Errorf("who came later got error %v", err)
	}
	if left, err := db.Balance(t.Context(), "key"); err != nil || left != 9 {
		t.Errorf("%v left (%v)", left, err)
	}
}

// waitingIn returns how many wait in a line.
func (p *spender) waitingIn(line string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines[line])
}

// Balances that don't exist or are deleted.
func TestSpendsOfMissingBalancesFail(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		addBalance(t, db, "deleted", 5)
		err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			return tx.DeleteBalance(ctx, "deleted")
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"deleted", "none"} {
			var wg sync.WaitGroup
			for cost := range int64(5) {
				wg.Go(func() {
					if _, err := db.Spend(t.Context(), "", id, cost); !errors.Is(err, ErrNotFound) {
						t.Errorf("%s: %d: error %v", id, cost, err)
					}
				})
			}
			wg.Wait()
		}
		if _, err := db.Spend(t.Context(), "", "deleted", -1); err == nil ||
			errors.Is(err, ErrNotFound) {
			t.Errorf("a negative cost: error %v", err)
		}
	})
}

// A spend that has not started is canceled with its caller.
func TestAStartedSpendIsFinished(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		addBalance(t, db, "key", 100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := db.Spend(ctx, "", "key", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := int64(0)
		for i := range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
			wg.Go(func() {
				defer cancel()
				if _, err := db.Spend(ctx, "", "key", 1); err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				} else if ctx.Err() == nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		db.spends.close()
		if left, err := db.Balance(t.Context(), "key"); err != nil || left != 100-taken {
			t.Errorf("%d are left after %d (%v)", left, taken, err)
		}
		if _, err := db.Spend(t.Context(), "", "key", 1); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: error %v", err)
		}
	})
}

// The spend is made once, in every query mode.
func TestALostSpendResponseIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache_statement", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			where, proxy := behind(t, testenv.Postgres(t)+"&default_query_exec_mode="+mode)
			db := open(t, where)
			addBalance(t, db, "key", 100)
			if _, err := db.Spend(t.Context(), "", "key", 1); err != nil {
				t.Fatal(err)
			}
			proxy.OnServer(func(sent []byte) bool {
				return bytes.Contains(sent, []byte("UPDATE 1\x00"))
			})
			if _, err := db.Spend(t.Context(), "", "key", 10); !errors.Is(err, ErrUnknownOutcome) {
				t.Errorf("error %v", err)
			}
			proxy.OnServer(nil)
			if left, err := db.Balance(t.Context(), "key"); err != nil || left != 89 {
				t.Errorf("%v are left (%v)", left, err)
			}
		})
	}
}

// BenchmarkSpend shows what combining is worth: many callers, on one key and on a
// thousand.
func BenchmarkSpend(b *testing.B) {
	for name, where := range onDisk {
		for _, at := range []struct{ callers, keys int }{{1, 1}, {64, 1}, {64, 1000}} {
			test := fmt.Sprintf("%s/callers=%d/keys=%d", name, at.callers, at.keys)
			b.Run(test, func(b *testing.B) {
				db := open(b, where(b))
				ids := make([]string, at.keys)
				for i := range ids {
					ids[i] = fmt.Sprintf("key_%04d", i)
					addBalance(b, db, ids[i], math.MaxInt64)
				}
				atOnce(b, at.callers, func() error {
					_, err := db.Spend(b.Context(), "", ids[rand.IntN(len(ids))], 1)
					return err
				})
			})
		}
	}
}

// Spends of many keys are made together on PostgreSQL, and exact: those of a key that somebody
// else locks wait, those that a balance doesn't cover are denied, and the others aren't
// affected.
func TestSpendsOfManyKeysAreExact(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		const keys, each = 8, 12
		if err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			var errs []error
			for i := range keys {
				errs = append(errs, tx.InsertBalance(ctx, write.InsertBalanceParams{
					ID: fmt.Sprint(i), Remaining: int64(2 * i),
				}))
			}
			return errors.Join(errs...)
		}); err != nil {
			t.Fatal(err)
		}
		free := func() {}
		if db.Shared() {
			conn, err := db.pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(),
				"SELECT id FROM balances WHERE id = '7' FOR UPDATE"); err != nil {
				t.Fatal(err)
			}
			free = func() {
				if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil {
					t.Error(err)
				}
			}
		}
		var made [keys]atomic.Int64
		var late atomic.Bool // the key was locked for too long
		var others, locked sync.WaitGroup
		for i := range keys {
			all := &others
			if i == keys-1 {
				all = &locked
			}
			for range each {
				all.Go(func() {
					_, err := db.Spend(t.Context(), "w", fmt.Sprint(i), 1)
					switch {
					case err == nil:
						made[i].Add(1)
					case i == keys-1 && IsUnavailable(err):
						late.Store(true)
					case !errors.Is(err, ErrNotFound):
						t.Errorf("key %d: %v", i, err)
					}
				})
			}
		}
		others.Wait() // if they waited for the lock, they would fail
		free()
		locked.Wait()
		for i := range keys {
			if i == keys-1 && late.Load() {
				continue
			}
			want := min(each, int64(2*i))
			left, err := db.Balance(t.Context(), fmt.Sprint(i))
			if err != nil || made[i].Load() != want || left != int64(2*i)-want {
				t.Errorf("key %d: %d spends and %d left (%v), want %d spends", i, made[i].Load(),
					left, err, want)
			}
		}
	})
}
