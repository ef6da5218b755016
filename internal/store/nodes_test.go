package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// logged notes places in the audit log.
func logged(tx *Tx, ctx context.Context, id string) error {
	return tx.InsertAuditLog(ctx, write.InsertAuditLogParams{Seq: tx.NextAudit(1000), ID: id})
}

// places returns the audit log's places and ids, in the order of the places.
func places(t *testing.T, db *DB) (seqs []int64, ids []string) {
	t.Helper()
	rows, err := db.pool.QueryContext(t.Context(), "SELECT seq, id FROM audit_logs ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var id string
		if err := rows.Scan(&seq, &id); err != nil {
			t.Fatal(err)
		}
		seqs, ids = append(seqs, seq), append(ids, id)
	}
	return seqs, ids
}

// number reads a number that is kept as a data key, 0 if there is none.
func number(ctx context.Context, r *reads) (int, error) {
	text, err := r.DataKey(ctx, "n")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// Nodes that read, compute and write lose no update, and the audit log has a position
// for each change, in commit order.
func TestChangesOfAllNodesAreSerial(t *testing.T) {
	where := testenv.Postgres(t)
	nodes := []*DB{open(t, where), open(t, where), open(t, where)}
	if err := nodes[0].Update(t.Context(), put("n", "0")); err != nil {
		t.Fatal(err)
	}
	const changes = 60
	var wg sync.WaitGroup
	for i, db := range nodes {
		for j := range changes {
			wg.Go(func() {
				err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
					n, err := number(ctx, tx.reads)
					if err != nil {
						return err
					}
					tx.Touch(fmt.Sprint(i))
					if err := tx.UpdateDataKey(ctx, []byte(strconv.Itoa(n+1)), "n"); err != nil {
						return err
					}
					if j%10 == 9 {
						_ = tx.NextAudit(1 << 40)
						return errors.New("no") // what it took is given back
					}
					return logged(tx, ctx, strconv.Itoa(n))
				})
				if (err != nil) != (j%10 == 9) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	want := len(nodes) * changes * 9 / 10
	if n, err := number(t.Context(), nodes[1].reads); err != nil || n != want {
		t.Errorf("the number is %d, want %d (%v)", n, want, err)
	}
	_, ids := places(t, nodes[0])
	if len(ids) != want {
		t.Fatalf("%d places in the log, want %d", len(ids), want)
	}
	for i, id := range ids {
		if id != strconv.Itoa(i) {
			t.Fatalf("place %d is of change %s", i, id)
		}
	}
	gapless(t, nodes[0])
}

// gapless checks that the change log has every place from 1 to its head.
func gapless(t *testing.T, db *DB) {
	t.Helper()
	rows, err := db.ChangesFrom(t.Context(), 1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if row.Seq != int64(i)+1 {
			t.Fatalf("row %d of the change log has place %d", i, row.Seq)
		}
	}
	if at, err := db.Head(t.Context()); err != nil || at.Changes != int64(len(rows)) {
		t.Errorf("the head is %d, and there are %d changes (%v)", at.Changes, len(rows), err)
	}
}

// backend returns the process that serves the writer, from inside of a change.
func backend(ctx context.Context, tx *Tx) (pid int, err error) {
	err = tx.on.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}

// If the server closes the connection before the commit is sent, the change is
// retried.
func TestAChangeIsMadeOnceIfItsConnectionBreaks(t *testing.T) {
	where := testenv.Postgres(t)
	db, other := open(t, where), open(t, where)
	const n = 100
	var cuts, runs atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
				runs.Add(1)
				if err := logged(tx, ctx, fmt.Sprint(i)); err != nil {
					return err
				}
				if i%20 == 7 && cuts.Add(1) < 10 {
					pid, err := backend(ctx, tx)
					if err != nil {
						return err
					}
					if _, err := other.pool.ExecContext(
						ctx, "SELECT pg_terminate_backend($1)", pid,
					); err != nil {
						return err
					}
				}
				tx.Touch(fmt.Sprint(i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, ids := places(t, db)
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != n || len(ids) != n {
		t.Errorf("%d records, %d of them different; want %d", len(ids), len(slices.Compact(ids)), n)
	}
	if runs.Load() <= n {
		t.Error("nothing was repeated")
	}
	gapless(t, db)
}

// behind returns the URL of the same database behind a proxy.
func behind(t *testing.T, where string) (string, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	u.Host = p.Addr
	return u.String(), p
}

// The change was made if and only if the server got the commit. It is not retried.
func TestALostCommitResponseIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{true, false} {
		t.Run(fmt.Sprintf("arrives=%v", arrives), func(t *testing.T) {
			t.Parallel()
			where, proxy := behind(t, testenv.Postgres(t))
			db := open(t, where)
			cut := func(sent []byte) bool { return bytes.Contains(sent, []byte("COMMIT\x00")) }
			runs := 0
			if arrives {
				proxy.OnServer(cut)
			} else {
				proxy.OnClient(cut)
			}
			err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
				runs++
				return put("a", "1")(ctx, tx)
			})
			proxy.OnServer(nil)
			proxy.OnClient(nil)
			if !errors.Is(err, ErrUnknownOutcome) || !IsUnavailable(err) || runs != 1 {
				t.Errorf("after %d runs: %v", runs, err)
			}
			if has(t, db, "a") != arrives {
				t.Errorf("it is there: %v", !arrives)
			}
			if err := db.Update(t.Context(), put("b", "1")); err != nil {
				t.Errorf("the next change: %v", err)
			}
		})
	}
}

// Whether connections are refused, silent or cut, no call takes longer than its
// timeout, and calls succeed again when the database is back.
func TestAnUnreachableDatabaseFailsInTime(t *testing.T) {
	t.Parallel()
	faults := map[string]struct{ begin, end func(*testenv.Proxy) }{
		"refused":     {(*testenv.Proxy).Refuse, (*testenv.Proxy).Accept},
		"partitioned": {(*testenv.Proxy).Partition, (*testenv.Proxy).Heal},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			where, proxy := behind(t, testenv.Postgres(t))
			db := open(t, where)
			fault.begin(proxy)
			var wg sync.WaitGroup
			began := time.Now()
			for i := range 200 {
				wg.Go(func() {
					var err error
					switch i % 3 {
					case 0:
						_, err = db.DataKey(t.Context(), "a")
					case 1:
						err = db.Update(t.Context(), put("a", "1"))
					case 2:
						_, err = db.Spend(t.Context(), "", "key", 1)
					}
					if !IsUnavailable(err) {
						t.Errorf("%d: error %v", i%3, err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(began); took > 13*time.Second {
				t.Errorf("the last answer came after %v", took)
			}
			fault.end(proxy)
			if err := db.Update(t.Context(), put(name, "1")); err != nil || !has(t, db, name) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// It is not made later.
func TestAWaitingChangeCanBeCanceled(t *testing.T) {
	where, proxy := behind(t, testenv.Postgres(t))
	db := open(t, where)
	proxy.Refuse()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := db.Update(ctx, put("a", "1")); !errors.Is(err, context.DeadlineExceeded) ||
		time.Since(began) > time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	proxy.Accept()
	if err := db.Update(t.Context(), put("b", "1")); err != nil {
		t.Fatal(err)
	}
	if has(t, db, "a") {
		t.Error("it was made all the same")
	}
}

// The server ends an idle transaction that holds the heads, and the waiting change is
// made.
func TestAFrozenNodeDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	where := testenv.Postgres(t)
	db, frozen := open(t, where), open(t, where)
	conn, err := frozen.shared.dedicated.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tx := newTx(timeoutDB{conn}, db.pool)
	if err := tx.exec(t.Context(), db.shared.begin); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.LockHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := db.Update(t.Context(), put("a", "1")); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < time.Second || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A busy node doesn't keep another one waiting for longer than it takes to commit a
// few groups.
func TestNodesTakeTurns(t *testing.T) {
	where := testenv.Postgres(t)
	busy, quiet := open(t, where), open(t, where)
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var groups atomic.Int64
	for i := range 16 {
		callers.Go(func() {
			turn := Turn{Workspace: fmt.Sprint(i)}
			for ctx.Err() == nil {
				_ = busy.UpdateFor(ctx, turn, func(_ context.Context, tx *Tx) error {
					if rehearsed(busy, tx) {
						return nil
					}
					groups.Add(1)
					// So it is the only one in its group.
					time.Sleep(busy.writer.groupTime + time.Millisecond)
					return nil
				})
			}
		})
	}
	const rounds = 20
	var overtook int64
	for range rounds {
		before := groups.Load()
		if err := quiet.Update(t.Context(), func(context.Context, *Tx) error {
			return nil
		}); err != nil {
			t.Error(err)
		}
		overtook += groups.Load() - before
	}
	stop()
	callers.Wait()
	t.Logf("%d groups of the other node during %d changes", overtook, rounds)
	if overtook > 2*rounds {
		t.Errorf("want at most the one under way and one begun during each change")
	}
}
