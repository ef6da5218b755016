package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
)

// ask is a check of cost 1 in a window of a minute.
func ask(namespace, identifier string, limit int64) latchkey.LimitRequest {
	return latchkey.LimitRequest{
		Namespace: namespace, Identifier: identifier, Limit: limit,
		Duration: latchkey.Per(time.Minute),
	}
}

func asking(r latchkey.LimitRequest, cost int64) latchkey.LimitRequest {
	r.Cost = latchkey.Set(cost)
	return r
}

func (w *world) limit(who Caller, r latchkey.LimitRequest) latchkey.LimitResult {
	w.t.Helper()
	return must[latchkey.LimitResult](w, who, "ratelimit.limit", r)
}

// namespaceID is the id of a namespace, which must exist.
func (w *world) namespaceID(name string) string {
	w.t.Helper()
	page := must[[]latchkey.Namespace](w, w.who, "ratelimit.listNamespaces",
		latchkey.ListNamespacesRequest{Search: name})
	for _, n := range page {
		if n.Name == name {
			return n.ID
		}
	}
	w.t.Fatalf("there is no namespace %q", name)
	return ""
}

func TestLimitCountsOnlyPassedRequests(t *testing.T) {
	w := newWorld(t)
	w.advance(15 * time.Second)
	minute := latchkey.At(start.Add(time.Minute))
	for _, step := range []struct {
		cost int64
		want latchkey.LimitResult
	}{
		{2, latchkey.LimitResult{Success: true, Limit: 5, Remaining: 3, Reset: minute}},
		{
			4,
			latchkey.LimitResult{
				Success: false, Limit: 5, Remaining: 0, Reset: minute,
				RetryAfter: latchkey.PerMilli(45_001),
			},
		},
		{0, latchkey.LimitResult{Success: true, Limit: 5, Remaining: 3, Reset: minute}},
		{3, latchkey.LimitResult{Success: true, Limit: 5, Remaining: 0, Reset: minute}},
		{
			1,
			latchkey.LimitResult{
				Success: false, Limit: 5, Remaining: 0, Reset: minute,
				RetryAfter: latchkey.PerMilli(45_001),
			},
		},
		{0, latchkey.LimitResult{Success: true, Limit: 5, Remaining: 0, Reset: minute}},
	} {
		if diff := cmp.Diff(
			step.want, w.limit(w.who, asking(ask("api", "u", 5), step.cost)),
		); diff != "" {
			t.Errorf("cost %d: (-want +got)\n%s", step.cost, diff)
		}
	}
	if got := w.limit(w.who, ask("api", "u", 7)); got.Remaining != 1 {
		t.Errorf("a larger limit on the same count leaves %d, want 1", got.Remaining)
	}
}

func TestLimitSlidesWithTheClock(t *testing.T) {
	w := newWorld(t)
	if got := w.limit(w.who, asking(ask("api", "u", 10), 10)); !got.Success {
		t.Fatal("the first use is refused")
	}
	w.advance(90 * time.Second) // half of the window before still counts
	if got := w.limit(w.who, ask("api", "u", 10)); !got.Success || got.Remaining != 4 {
		t.Errorf("half a window later: %+v, want 4 remaining", got)
	}
}

func TestNamespaceHasOneCountByNameAndByID(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 10))
	if got := w.limit(w.who, ask(w.namespaceID("api"), "u", 10)); got.Remaining != 8 {
		t.Errorf("by id %d remain, want 8", got.Remaining)
	}
}

func TestWorkspacesShareNoCount(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	w.limit(w.who, ask("api", "u", 10))
	for _, name := range []string{"api", w.namespaceID("api")} {
		if got := w.limit(other, ask(name, "u", 10)); got.Remaining != 9 {
			t.Errorf("%s: %d remain in another workspace, want 9", name, got.Remaining)
		}
	}
	if got := w.limit(w.who, ask("api", "u", 10)); got.Remaining != 8 {
		t.Errorf("%d remain, want 8", got.Remaining)
	}
}

func TestFirstUseNeedsCreateNamespace(t *testing.T) {
	w := newWorld(t)
	w.refused(w.grant("ratelimit.*.limit"), "ratelimit.limit", ask("new", "u", 1), 403,
		"insufficient_permissions")
	if list := must[[]latchkey.Namespace](
		w, w.who, "ratelimit.listNamespaces", latchkey.ListNamespacesRequest{},
	); len(list) != 0 {
		t.Errorf("a refused call made the namespaces %v", list)
	}
}

func TestFirstUseWithoutLimitPermissionCreatesTheNamespaceAndFails(t *testing.T) {
	w := newWorld(t)
	w.refused(w.grant("ratelimit.*.create_namespace"), "ratelimit.limit", ask("new", "u", 1), 403,
		"insufficient_permissions")
	if got := w.limit(w.grant("ratelimit.*.limit"), ask("new", "u", 1)); !got.Success {
		t.Error("the refused call used something")
	}
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.create")
}

func TestLimitOnOneNamespaceIsEnough(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("mine", "u", 10))
	w.limit(w.who, ask("yours", "u", 10))
	who := w.grant("ratelimit." + w.namespaceID("mine") + ".limit")
	w.limit(who, ask("mine", "u", 10))
	w.refused(who, "ratelimit.limit", ask("yours", "u", 10), 403, "insufficient_permissions")
	w.refused(who, "ratelimit.multiLimit",
		latchkey.MultiLimitRequest{ask("mine", "u", 10), ask("yours", "u", 10)}, 403,
		"insufficient_permissions")
}

func TestParallelFirstUseCreatesOneNamespaceAndCountsExactly(t *testing.T) {
	w := newWorld(t)
	const calls, limit = 40, 25
	var passed atomic.Int64
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			r := ask("burst", "u", limit)
			got, err := w.Limit(context.Background(), w.who.calling("ratelimit.limit"), &r)
			if err != nil {
				t.Error(err)
			}
			if got.Success {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != limit {
		t.Errorf("%d of %d calls passed, want %d", passed.Load(), calls, limit)
	}
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.create")
}

// TestRetryAfterIsWhenTheCallFits waits as long as it is told, and a millisecond less.
func TestRetryAfterIsWhenTheCallFits(t *testing.T) {
	w := newWorld(t)
	type use func(of string, r latchkey.LimitRequest) (passed bool, wait latchkey.Duration)
	ways := map[string]use{
		"limit": func(of string, r latchkey.LimitRequest) (bool, latchkey.Duration) {
			got := w.limit(w.who, r)
			return got.Success, got.RetryAfter
		},
		"multiLimit": func(of string, r latchkey.LimitRequest) (bool, latchkey.Duration) {
			got := must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit",
				latchkey.MultiLimitRequest{ask("other", of, 99), r})
			return got.Passed, got.Limits[1].RetryAfter
		},
		"verifyKey": func(of string, r latchkey.LimitRequest) (bool, latchkey.Duration) {
			got := must[latchkey.Verification](w, w.who, "keys.verifyKey",
				latchkey.VerifyKeyRequest{
					Key: of, Ratelimits: []latchkey.VerifyKeyRatelimit{{
						Name: "burst", Limit: latchkey.Int(r.Limit), Cost: r.Cost,
						Duration: latchkey.Set(r.Duration), Algorithm: r.Algorithm,
					}},
				})
			return got.Valid, got.Ratelimits[0].RetryAfter
		},
	}
	for name, use := range ways {
		for _, algorithm := range []latchkey.Algorithm{
			latchkey.SlidingWindow, latchkey.TokenBucket,
		} {
			for _, cost := range []int64{1, 4, 10} {
				key := w.newKey(latchkey.CreateKeyRequest{}).Key
				take := func(cost int64) (bool, latchkey.Duration) {
					r := asking(ask("api", key, 10), cost)
					r.Algorithm = algorithm
					return use(key, r)
				}
				wants := func(what string, cost int64, passed bool, wait latchkey.Duration) {
					if got, left := take(cost); got != passed || left != wait {
						t.Errorf("%s, %s, %s of cost %d: passed %v and waits %v, want %v and %v",
							name, algorithm, what, cost, got, left, passed, wait)
					}
				}
				w.advance(15 * time.Second)
				wants("the first call", 10, true, latchkey.Duration{})
				wants("a call above the limit", 11, false, latchkey.Duration{})
				_, wait := take(cost)
				w.advance(wait.Duration() - time.Millisecond)
				wants("a call too early", cost, false, latchkey.PerMilli(1))
				w.advance(time.Millisecond)
				wants("a call in time", cost, true, latchkey.Duration{})
			}
		}
	}
}

func TestMultiLimitCountsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	minute := latchkey.At(start.Add(time.Minute))
	check := func(namespace string, limit, remaining int64, passed bool) latchkey.LimitCheck {
		return latchkey.LimitCheck{
			Namespace: namespace, Identifier: "u", Limit: limit, Remaining: remaining,
			Reset: minute, Passed: passed,
		}
	}
	want := latchkey.MultiLimitResult{
		Limits: []latchkey.LimitCheck{
			check("a", 9, 9, true), check("b", 2, 2, true), check("b", 2, 2, true),
			check("b", 2, 0, false),
		},
	}
	batch := latchkey.MultiLimitRequest{
		ask("a", "u", 9), ask("b", "u", 2), ask("b", "u", 2), ask("b", "u", 2),
	}
	for range 2 {
		if diff := cmp.Diff(
			want, must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit", batch),
		); diff != "" {
			t.Errorf("a batch that doesn't fit: (-want +got)\n%s", diff)
		}
	}
	want = latchkey.MultiLimitResult{
		Passed: true,
		Limits: []latchkey.LimitCheck{
			check("a", 9, 8, true), check("b", 2, 1, true), check("b", 2, 0, true),
		},
	}
	if diff := cmp.Diff(
		want, must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit", batch[:3]),
	); diff != "" {
		t.Errorf("a batch that fits: (-want +got)\n%s", diff)
	}
}

func TestMultiLimitCreatesAllNamespacesOrNone(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("old", "u", 9))
	batch := latchkey.MultiLimitRequest{
		ask("old", "u", 9), ask("n1", "u", 9), ask("n2", "u", 9), ask("n1", "v", 9),
	}
	w.refused(w.grant("ratelimit.*.limit"), "ratelimit.multiLimit", batch, 403,
		"insufficient_permissions")
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.create")
	must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit", batch)
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.create", "ratelimitNamespace.create",
		"ratelimitNamespace.create")
}

func TestDeletedNamespaceReturns410(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 9))
	id := w.namespaceID("api")
	must[latchkey.Empty](w, w.who, "ratelimit.deleteNamespace", latchkey.DeleteNamespaceRequest{
		Namespace: "api",
	})
	nobody := w.grant("api.*")
	for _, name := range []string{"api", id} {
		one, batch := ask(name, "u", 9), latchkey.MultiLimitRequest{ask(name, "u", 9)}
		w.refused(w.who, "ratelimit.limit", one, 410, "ratelimit_namespace_gone")
		w.refused(w.who, "ratelimit.multiLimit", batch, 410, "ratelimit_namespace_gone")
		w.refused(nobody, "ratelimit.limit", one, 410, "ratelimit_namespace_gone")
		w.refused(nobody, "ratelimit.multiLimit", batch, 403, "insufficient_permissions")
		w.refused(w.who, "ratelimit.deleteNamespace",
			latchkey.DeleteNamespaceRequest{Namespace: name}, 404, "ratelimit_namespace_not_found")
	}
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.delete", "ratelimitNamespace.create")
}

func TestRepeatedLimitIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	who := w.who
	who.IdempotencyKey = "again"
	first := w.limit(who, ask("api", "u", 9))
	if second := w.limit(who, ask("api", "u", 9)); !cmp.Equal(first, second) ||
		second.Remaining != 8 {
		t.Errorf("answered %+v and then %+v", first, second)
	}
	if got := w.limit(w.who, ask("api", "u", 9)); got.Remaining != 7 {
		t.Errorf("%d remain after a repeated and a new call, want 7", got.Remaining)
	}
	w.refused(who, "ratelimit.limit", ask("api", "u", 10), 409, "idempotency_key_reused")

	who.IdempotencyKey = "batch"
	batch := latchkey.MultiLimitRequest{ask("api", "v", 9)}
	for range 2 {
		if got := must[latchkey.MultiLimitResult](
			w, who, "ratelimit.multiLimit", batch,
		); got.Limits[0].Remaining != 8 {
			t.Errorf("%d remain after a repeated batch, want 8", got.Limits[0].Remaining)
		}
	}
	w.wantEvents(w.who.WorkspaceID(), "ratelimitNamespace.create")
}

// Repetitions that arrive together count once, also where the database is shared and the
// changes that wait are tried before.
func TestRepetitionsAtOnceAreCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 900)) // creates the namespace
	who := w.who
	for round := range 5 {
		who.IdempotencyKey = fmt.Sprint("again ", round)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {

				if _, err := w.do(who, "ratelimit.limit", ask("api", "u", 900)); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	if got := w.limit(w.who, ask("api", "u", 900)); got.Remaining != 893 {
		t.Errorf("%d remain after 7 calls, of which 5 were repeated", got.Remaining)
	}
}

func TestWarmLimitNeedsNoDatabase(t *testing.T) {
	w := newWorld(t)
	w.keepsCounters()
	w.limit(w.who, ask("api", "u", 9))
	if err := errors.Join(w.memory().Save(t.Context()), w.db.Close()); err != nil {
		t.Fatal(err)
	}
	if got := w.limit(w.who, ask("api", "u", 9)); got.Remaining != 7 {
		t.Errorf("%d remain, want 7", got.Remaining)
	}
	got := must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit",
		latchkey.MultiLimitRequest{ask("api", "u", 9)})
	if got.Limits[0].Remaining != 6 {
		t.Errorf("%d remain, want 6", got.Limits[0].Remaining)
	}
	// Nothing can be saved when the engine closes.
	if err := w.Engine.limiter.Close(t.Context()); err == nil {
		t.Error("counters were saved in a closed database")
	}
	w.limiter = ratelimit.NewMemory()
	w.used.take(0)
}

func BenchmarkLimit(b *testing.B) {
	w := newWorld(b)
	r := ask("api", "u", 1<<60)
	w.limit(w.who, r)
	who := w.who.calling("ratelimit.limit")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Limit(b.Context(), who, &r); err != nil {
			b.Fatal(err)
		}
	}
}
