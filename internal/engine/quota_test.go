package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// bounded makes a workspace with that request limit and a root key in it.
func (w *world) bounded(limit latchkey.Opt[int64]) (workspace, root string) {
	w.t.Helper()
	workspace = must[latchkey.CreatedWorkspace](w, w.who, "workspaces.createWorkspace",
		latchkey.CreateWorkspaceRequest{Name: "bounded", RequestsPerMinute: limit}).WorkspaceID
	return workspace, w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace, Permissions: latchkey.AllPermissions(),
	}).Key
}

// admitted asks whether a call with the root key is admitted.
func (w *world) admitted(token string) (*Quota, error) {
	who := w.caller(token)
	return w.checkQuota(w.t.Context(), &who)
}

func TestWorkspaceRequestLimitIsExact(t *testing.T) {
	w := newWorld(t)
	workspace, root := w.bounded(latchkey.Set(int64(2)))
	again := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace, Permissions: []string{},
	}).Key
	w.advance(20*time.Second + time.Millisecond)
	for i, token := range []string{root, again} {
		got, err := w.admitted(token)
		want := &Quota{Limit: 2, Remaining: int64(1 - i), Reset: 40 * time.Second}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("request %d: %v (-want +got)\n%s", i, err, diff)
		}
	}
	got, err := w.admitted(root)
	if diff := cmp.Diff(&Quota{Limit: 2, Reset: 40 * time.Second}, got); diff != "" {
		t.Errorf("the request too many: (-want +got)\n%s", diff)
	}
	var refusal *latchkey.Error
	if !errors.As(err, &refusal) || refusal.Status != 429 ||
		refusal.Code() != "workspace_rate_limited" || refusal.RetryAfter != 40*time.Second {
		t.Errorf("the request too many: %+v", err)
	}
	w.advance(2 * time.Minute)
	if _, err := w.admitted(root); err != nil {
		t.Errorf("two minutes later: %v", err)
	}
}

func TestWorkspaceRequestLimitAppliesToTheNextRequest(t *testing.T) {
	w := newWorld(t)
	workspace, root := w.bounded(latchkey.Opt[int64]{})
	checkQuota := func() (*Quota, error) { return w.admitted(root) }
	set := func(limit latchkey.Opt[int64]) {
		must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
			latchkey.UpdateWorkspaceRequest{WorkspaceID: workspace, RequestsPerMinute: limit})
	}
	if got, err := checkQuota(); got != nil || err != nil {
		t.Errorf("without a limit: %+v, %v", got, err)
	}
	set(latchkey.Set(int64(5)))
	if got, err := checkQuota(); got.Limit != 5 || got.Remaining != 4 || err != nil {
		t.Errorf("with a limit of 5: %+v, %v", got, err)
	}
	set(latchkey.Set(int64(0)))
	if got, err := checkQuota(); got != nil || !errors.Is(err, latchkey.ErrRateLimited) {
		t.Errorf("with a limit of 0: %+v, %v", got, err)
	}
	set(latchkey.Null[int64]())
	if got, err := checkQuota(); got != nil || err != nil {
		t.Errorf("without a limit again: %+v, %v", got, err)
	}
}
