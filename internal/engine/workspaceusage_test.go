package engine

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// usageOf returns the counts of a month, or of this one for nil.
func (w *world) usageOf(month *latchkey.UsageMonth) latchkey.UsageOfAPI {
	w.t.Helper()
	return must[latchkey.WorkspaceUsage](w, w.who, "workspace.getUsage",
		latchkey.WorkspaceUsageRequest{Period: month}).Totals.API
}

func (w *world) saveAll() {
	w.t.Helper()
	if err := w.saveUsage(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// Valid verifications and passed limits count once each, in their month.
func TestUsageIsCountedByMonth(t *testing.T) {
	w := newWorld(t)
	month := beginOfMonth(w.Engine.now())
	w.advance(month.AddDate(0, 1, 0).Add(time.Hour).Sub(w.now())) // the first of a month
	valid := w.newKey(latchkey.CreateKeyRequest{})
	off := w.newKey(latchkey.CreateKeyRequest{Enabled: latchkey.Set(false)})
	for range 3 {
		w.verify(valid.Key)
		w.verify(off.Key)
		w.verify("unknown")
		w.limit(w.who, ask("n", "u", 2)) // passes twice
	}
	w.saveAll()
	want := latchkey.UsageOfAPI{Verifications: 3, Ratelimits: 2}
	if diff := cmp.Diff(want, w.usageOf(nil)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	limits := must[latchkey.WorkspaceLimits](w, w.who, "workspace.getLimits",
		latchkey.WorkspaceLimitsRequest{})
	if n, _ := limits.BillableOperations.Current.Get(); n != 5 {
		t.Errorf("%d billable operations", n)
	}
	begun := beginOfMonth(w.Engine.now())
	w.advance(begun.AddDate(0, 1, 0).Sub(w.now()))
	w.verify(valid.Key)
	w.saveAll()
	before := &latchkey.UsageMonth{Year: begun.Year(), Month: int(begun.Month())}
	if diff := cmp.Diff(want, w.usageOf(before)); diff != "" {
		t.Errorf("the month before: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(latchkey.UsageOfAPI{Verifications: 1}, w.usageOf(nil)); diff != "" {
		t.Errorf("the new month: (-want +got)\n%s", diff)
	}
	w.advance(90 * 24 * time.Hour)
	w.refused(w.who, "workspace.getUsage", latchkey.WorkspaceUsageRequest{Period: before}, 400,
		"invalid_input")
}

// Nothing is lost or counted twice by saves that run while others count.
func TestUsageIsExactWhileItIsSaved(t *testing.T) {
	const callers, each = 8, 2_000
	var u usage
	root := &rootKey{id: "rk_1", workspace: "ws_1", counter: new(usageCounter)}
	anonymous := &rootKey{workspace: "ws_1"}
	var group sync.WaitGroup
	for lane := range uint32(callers) {
		group.Go(func() {
			for range each {
				u.countVerification(root, lane)
				u.countRatelimit(root, lane)
				u.countVerification(anonymous, lane)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	var sum workspaceUsage
	add := func() {
		_, sums := u.take(1)
		sum.verifications += sums["ws_1"].verifications
		sum.ratelimits += sums["ws_1"].ratelimits
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		add()
	}
	if sum != (workspaceUsage{verifications: 2 * callers * each, ratelimits: callers * each}) {
		t.Errorf("counted %+v", sum)
	}
}

// While the database is away, counts wait for it.
func TestUsageThatCannotBeSavedIsKept(t *testing.T) {
	w := newWorld(t)
	w.verify(w.newKey(latchkey.CreateKeyRequest{}).Key)
	w.exec("ALTER TABLE counts RENAME TO away")
	if err := w.saveUsage(t.Context()); err == nil {
		t.Fatal("saved into a table that isn't there")
	}
	w.exec("ALTER TABLE away RENAME TO counts")
	w.saveAll()
	if got := w.usageOf(nil); got.Verifications != 1 {
		t.Errorf("counted %+v", got)
	}
}
