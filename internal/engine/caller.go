package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// Request is what a door knows of a request besides its body.
type Request struct {
	RequestID      string // names the request in answers and logs
	RemoteIP       string // the caller's address, proxies seen through
	UserAgent      string // what the request said it was sent by
	IdempotencyKey string // makes a repeated request answer as the first one did
	Trace          *Trace // receives how the request was answered; nil where nobody asks

	// Lane spreads what requests count over cache lines: those that run side by
	// side should have different ones. Nothing but speed depends on it.
	Lane uint32
}

// Trace is what a door learns of how a call was answered, besides the answer.
type Trace struct {
	// Checked says that the request passed the checks of its form, so that a 400
	// comes from the operation itself.
	Checked bool
	// Quota is where the caller's workspace stands with its API requests; nil
	// where they have no limit.
	Quota *Quota
	// Stale is how long ago the oldest thing that was used was last known to be
	// right; 0 where all was as fresh as it should be. Only an engine that may
	// answer from memory while its database is gone sets it.
	Stale time.Duration
}

// Caller is who asks for an operation: a root key, and the request it came with.
// The caller of a public operation has a root key that permits nothing.
type Caller struct {
	Request
	root *rootKey
	op   *Op // what it calls; nil where the service itself makes a change

	lane        store.Lane    // in which its changes wait
	requestHash string        // names operation and body, for idempotency
	stale       time.Duration // as in Trace
}

// correlation is shared by the audit records of a request. It is the request's
// id under another prefix; the service's own changes have no request.
func (c Caller) correlation() string {
	if id, ok := strings.CutPrefix(c.RequestID, "req_"); ok {
		return "cor_" + id
	}
	return NewID("cor")
}

// rootKey is a root key as authentication needs it.
type rootKey struct {
	coherence.Dependencies
	id, name          string
	workspace         string
	grants            *rbac.Grants
	enabled           bool
	expires           int64 // unix ms, or never
	workspaceOff      bool
	workspaceGone     bool
	requestsPerMinute int64 // or unbounded
}

// system is who the service's own changes are recorded as made by.
const system = "system"

// Unknown reports that there is no such root key.
func (r *rootKey) Unknown() bool { return r.id == "" }

func (r *rootKey) actorType() string {
	if r.id == system {
		return system
	}
	return "rootkey"
}

const (
	never     = -1 // no expiry
	unbounded = -1 // no request limit
)

// WorkspaceID is the workspace the caller works in.
func (c Caller) WorkspaceID() string { return c.root.workspace }

// turn is whose turn a change of the caller takes.
func (c *Caller) turn() store.Turn { return store.Turn{Workspace: c.root.workspace, Lane: c.lane} }

// anonymousRootKey is the root key of callers of public operations: it belongs to no workspace
// and has no permissions.
var anonymousRootKey = &rootKey{grants: new(rbac.Grants), expires: never, requestsPerMinute: unbounded}

// authenticate finds the root key that a caller presents, and makes it the caller's.
func (e *Engine) authenticate(ctx context.Context, token string, who *Caller) error {
	hash := hashOf(token)
	load := func(ctx context.Context, asOf coherence.Version) (*rootKey, error) {
		return e.loadRootKey(ctx, asOf, hash)
	}
	root, age, err := e.roots.Get(ctx, who.Lane, hash, load)
	who.root = root
	if err != nil {
		return e.public(ctx, *who, "authentication", err)
	}
	e.noteStaleness(who, age)
	switch {
	case root.Unknown():
		return errRootKeyNotFound.with("This root key does not exist.")
	case root.workspaceGone:
		return errWorkspaceNotFound.with("The workspace of this root key does not exist.")
	case root.workspaceOff:
		return errWorkspaceDisabled.with("The workspace of this root key is disabled.")
	case !root.enabled:
		return errRootKeyDisabled.with("This root key is disabled.")
	case root.expires != never && e.now() > root.expires:
		return errForbidden.with("This root key has expired.")
	}
	return nil
}

// CallerCache remembers the first root key that a door was called with, and
// saves the later calls with it the lookup. It is for doors of which nearly all
// calls come with one root key, and not for those over a network, since it keeps
// the text of the root key. The zero value is ready to use; nil remembers nothing.
type CallerCache struct{ known atomic.Pointer[cachedCaller] }

// cachedCaller is a root key with its text.
type cachedCaller struct {
	token string
	root  *rootKey
}

// reauthenticate returns the root key of that text if it is the remembered one
// and still valid. It returns nil where only authenticate can tell: where the
// root key has changed since or has expired.
func (c *CallerCache) reauthenticate(e *Engine, lane uint32, token string) *rootKey {
	if c == nil {
		return nil
	}
	known := c.known.Load()
	if known == nil || known.token != token {
		return nil
	}
	root := known.root
	if root.expires != never && e.now() > root.expires || !e.roots.Reuse(lane, root) {
		return nil
	}
	return root
}

// save keeps the root key for later calls, unless there is another one.
func (c *CallerCache) save(token string, root *rootKey) {
	if c == nil {
		return
	}
	if known := c.known.Load(); known == nil || known.token == token {
		c.known.Store(&cachedCaller{token, root})
	}
}

// noteStaleness records that the answer uses something of this age, if it has one.
func (e *Engine) noteStaleness(who *Caller, age time.Duration) {
	if age == 0 {
		return
	}
	if who.stale == 0 {
		e.stale.Add(1)
	}
	who.stale = max(who.stale, age)
	if who.Trace != nil {
		who.Trace.Stale = who.stale
	}
}

// loadRootKey reads a root key; one without an id is known not to exist.
func (e *Engine) loadRootKey(ctx context.Context, asOf coherence.Version, hash keyHash) (*rootKey, error) {
	row, err := e.db.RootKeyByHash(ctx, hash.String())
	if errors.Is(err, store.ErrNotFound) {
		return &rootKey{Dependencies: asOf.DependsOn(hash.String())}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	var permissions []string
	if err := json.Unmarshal([]byte(row.Permissions), &permissions); err != nil {
		return nil, fmt.Errorf("root key %s: permissions: %w", row.ID, err)
	}
	return &rootKey{
		Dependencies:      asOf.DependsOn(row.ID, row.WorkspaceID),
		id:                row.ID,
		name:              row.Name,
		workspace:         row.WorkspaceID,
		grants:            rbac.NewGrants(row.WorkspaceID, permissions),
		enabled:           row.Enabled,
		expires:           orElse(row.Expires, never),
		workspaceOff:      !row.WorkspaceEnabled,
		workspaceGone:     row.WorkspaceDeletedAt != 0,
		requestsPerMinute: orElse(row.RequestsPerMinute, unbounded),
	}, nil
}

// system is who makes the service's own changes in a workspace.
func (e *Engine) system(workspace string) Caller {
	return Caller{root: &rootKey{id: system, name: system, workspace: workspace}}
}
