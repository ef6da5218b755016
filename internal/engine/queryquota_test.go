package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// busy begins a query of each of n end users of a workspace. It returns a function that ends all.
func busy(t *testing.T, q *queryQuota, workspace string, n int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	for i := range n {
		go func() {
			done, err := q.begin(ctx, workspace, fmt.Sprint("user_", i), 0)
			if err == nil {
				<-ctx.Done() // it takes the whole time
				done()
			}
		}()
	}
	synctest.Wait()
	return func() {
		cancel()
		synctest.Wait()
	}
}

// One workspace can't keep others out, however many end users it has, and its end users can't
// keep out its root keys.
func TestEndUsersShareTheTurnOfTheirWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueryQuota()
		end := busy(t, q, "ws_1", 50)
		if n := len(q.slots); n != 1 {
			t.Errorf("the end users of a workspace run %d queries at once, want 1", n)
		}
		done, err := q.begin(t.Context(), "ws_2", "", 0)
		if err != nil {
			t.Fatalf("another workspace: %v", err)
		}
		done()
		end()
		if done, err = q.begin(t.Context(), "ws_1", "", 0); err != nil {
			t.Fatalf("a root key: %v", err)
		}
		done()
		if n := len(q.slots); n != 0 {
			t.Errorf("%d slots are held after all queries", n)
		}
	})
}

// A root key waits for the query that runs and for one of the end users, not for all of them.
func TestEndUsersLetRootKeysAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueryQuota()
		took := func(externalID string) {
			if done, err := q.begin(t.Context(), "ws_1", externalID, 0); err == nil {
				time.Sleep(time.Second)
				done()
			}
		}
		for i := range 9 {
			go took(fmt.Sprint("user_", i))
		}
		synctest.Wait()
		began := time.Now()
		took("")
		if waited := time.Since(began) - time.Second; waited > 2*time.Second {
			t.Errorf("a root key waited %v, want 2s at most", waited)
		}
		time.Sleep(time.Minute)
	})
}

func TestEndUsersHaveQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, hour := newQueryQuota(), int64(0)
		run := func(externalID string, took time.Duration) error {
			done, err := q.begin(t.Context(), "ws_1", externalID, hour*time.Hour.Milliseconds())
			if err == nil {
				time.Sleep(took)
				done()
			}
			return err
		}
		// of each: time
		if err := run("user_1", time.Minute); err != nil {
			t.Fatal(err)
		}
		if run("user_1", 0) == nil {
			t.Error("an end user has more than a minute")
		}
		// of all: time, without what root keys have
		for i := 2; run(fmt.Sprint("user_", i), time.Minute) == nil; i++ {
			if i > 15 {
				t.Fatal("all end users have more than 15 minutes")
			}
		}
		if err := run("", 0); err != nil {
			t.Errorf("a root key has nothing left: %v", err)
		}
		// of all: queries, which bound the memory
		hour++
		n := 0
		for run(fmt.Sprint("one_", n), 0) == nil {
			n++
		}
		if n != queryAllowances[endUsers].queries || len(q.spent) > n+3 {
			t.Errorf("%d queries, %d spenders in memory", n, len(q.spent))
		}
		// those that wait
		hour++
		end := busy(t, q, "ws_1", 2*queryAllowances[endUsers].open)
		all := q.spent[querySpender{kind: endUsers, workspace: "ws_1"}]
		if all.open != queryAllowances[endUsers].open {
			t.Errorf("%d queries are open", all.open)
		}
		end()
		// an hour later all is forgotten
		hour++
		if err := run("", 0); err != nil || len(q.spent) != 2 {
			t.Errorf("the next hour: %v, %d spenders in memory", err, len(q.spent))
		}
	})
}

// TestRootKeysAndEndUsersShareTheTurnOfTheirWorkspace: a query of an end user keeps the root
// keys of the workspace waiting, not another workspace.
func TestRootKeysAndEndUsersShareTheTurnOfTheirWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueryQuota()
		end := busy(t, q, "ws_1", 1)
		if done, err := q.begin(t.Context(), "ws_1", "", 0); err == nil {
			t.Errorf("%d queries of a workspace run at once", len(q.slots))
			done()
		}
		end()
	})
}
