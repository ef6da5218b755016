package engine

import (
	"context"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// The limit on verifications without a root key, for each address: 100 a second on
// average. A server that verifies the keys of all its users has one address.
const (
	byKeyInterval = 10 * time.Millisecond
	byKeyBurst    = 10 * time.Second
)

// ByKey admits verifications without a root key, as version 1 of the API does. The
// presented key says in which workspace it is verified, so everybody who can send a
// request can find out what a key that he has can do.
type ByKey struct {
	apis []string // whose keys can be verified; empty for all
	pace *pace    // of addresses
}

// NewByKey returns a ByKey for the keys of these APIs, or of all if there are none.
func NewByKey(apis []string) *ByKey {
	const buckets = 1 << 16
	return &ByKey{apis: apis, pace: newPace(buckets, byKeyInterval, byKeyBurst)}
}

// admit counts a verification for an address, and returns an error if there were too many.
func (b *ByKey) admit(address string) error {
	excess := b.pace.add(b.pace.bucket(network(address)), byKeyInterval)
	if excess <= 0 {
		return nil
	}
	e := errTooManyRequests.with(
		"This address has sent too many verifications without a root key. Send a root key, or " +
			"try again in a second.")
	e.RetryAfter = time.Second
	return e
}

// covers reports whether keys of the API can be verified.
func (b *ByKey) covers(api string) bool { return len(b.apis) == 0 || slices.Contains(b.apis, api) }

// authenticateByKey makes the workspace of the presented key the caller, which then can do
// nothing but verify keys of that API. If there is no such key, or keys of several
// workspaces have its hash and the request doesn't say which API it is about, the caller has
// no workspace, and the verification finds no key.
func (e *Engine) authenticateByKey(
	ctx context.Context, call *Call, r *latchkey.VerifyKeyRequest,
) error {
	call.root = anonymousRootKey
	if err := call.ByKey.admit(call.RemoteIP); err != nil {
		return err
	}
	var keys []read.KeysWithHashRow
	err := e.misses.lookUp(ctx, &call.Caller, func() (found bool, err error) {
		keys, err = e.db.KeysWithHash(ctx, hashOf(r.Key).String(), call.KeysOf)
		return true, err // the verification counts the miss
	})
	if err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	if len(keys) == 0 || len(keys) > 1 && keys[0].APIID != call.KeysOf {
		return nil
	}
	key := keys[0]
	if !call.ByKey.covers(key.APIID) {
		return nil
	}
	if !key.WorkspaceEnabled {
		return errWorkspaceDisabled.with("The workspace of this key is disabled.")
	}
	call.root = &rootKey{
		workspace: key.WorkspaceID, workspaceHash: hashOf(key.WorkspaceID),
		expires: never, requestsPerMinute: unbounded,
		grants: rbac.NewGrants(key.WorkspaceID, []string{"api." + key.APIID + ".verify_key"}),
	}
	return nil
}
