package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// Request has the parts of a request besides its body.
type Request struct {
	RequestID      string // the id of the request in responses and logs
	RemoteIP       string // the caller's address behind trusted proxies
	UserAgent      string // the User-Agent header
	IdempotencyKey string // a repeated request gets the response of the first one
	Trace          *Trace // receives details of the request; can be nil

	// Origin is the scheme and the host by which the caller reached the service; "" in
	// process. Only changes need it.
	Origin string

	// KeysOf is the API whose keys a verification is about; "" for any. Other keys are
	// FORBIDDEN.
	KeysOf string

	// Lane spreads counters over cache lines. Concurrent requests should have
	// different lanes; only speed depends on it.
	Lane uint32

	// Unrecorded leaves decisions on rate limits out of the events.
	Unrecorded bool
}

// Trace has details of how a call was served.
type Trace struct {
	// Begun is when the request arrived; the transport sets it. If it is zero, the
	// events of the request have no latency.
	Begun time.Time
	// Checked reports that the request is valid, so that a 400 comes from the
	// operation itself.
	Checked bool
	// API is the API of the key that keys.getKey returned.
	API string
	// Quota is the state of the workspace's request limit; nil if it has none.
	Quota *Quota
	// Stale is the age of the oldest cached data that the response depends on; 0
	// if all of it is current. Only engines with the fail mode Stale set it.
	Stale time.Duration
}

// Caller is the caller of an operation: a root key and its request. The caller of
// a public operation has a root key without permissions, and that of an operation of
// portal sessions the permissions of the root key that created the session. The holder of
// a key has no permissions: the key's API says what it can do with the key.
type Caller struct {
	Request
	root  *rootKey
	token string       // the root key's text, which encrypts saved responses
	key   *keySnapshot // the key whose holder calls; nil for other callers
	op    *Op          // the called operation; nil for changes by the service itself

	lane        store.Lane    // of its changes
	requestHash string        // hash of operation and body, for idempotency
	stale       time.Duration // as in Trace
}

// correlation returns the correlation id of the request's audit records: the id
// of the request with another prefix, or a new id for changes by the service
// itself.
func (c Caller) correlation() string {
	if id, ok := strings.CutPrefix(c.RequestID, "req_"); ok {
		return "cor_" + id
	}
	return NewID("cor")
}

// rootKey is a cached root key.
type rootKey struct {
	coherence.Dependencies
	id, name          string
	workspace         string
	workspaceHash     keyHash // of this id
	grants            *rbac.Grants
	enabled           bool
	expires           int64 // unix ms, or never
	workspaceOff      bool
	workspaceGone     bool
	requestsPerMinute int64            // or unbounded
	quotas            *latchkey.Quotas // of the workspace, all set; nil for no quotas
	used              atomic.Bool      // since the last use was saved
	counter           *usageCounter    // nil to count for the workspace
	session           *portalSession   // nil unless it is a portal session that calls
	holder            *keyHolder       // nil unless it is the holder of a key that calls
}

// system is the actor of changes by the service itself.
const system = "system"

// Unknown reports whether the root key does not exist.
func (r *rootKey) Unknown() bool { return r.id == "" }

func (r *rootKey) actorType() string {
	switch {
	case r.id == system:
		return system
	case r.session != nil:
		return "portalEndUser"
	case r.holder != nil:
		return "keyHolder"
	}
	return "rootkey"
}

const (
	never     = -1 // no expiry
	unbounded = -1 // no request limit
)

// WorkspaceID returns the id of the caller's workspace.
func (c Caller) WorkspaceID() string { return c.root.workspace }

// turn returns the place of a change of the caller in the queue of the writer.
func (c *Caller) turn() store.Turn { return store.Turn{Workspace: c.root.workspace, Lane: c.lane} }

// anonymousRootKey is the root key of callers of public operations. It has no
// workspace and no permissions.
var anonymousRootKey = &rootKey{
	grants: new(rbac.Grants), expires: never, requestsPerMinute: unbounded,
}

// authenticate looks up the presented root key and sets it as the caller's.
func (e *Engine) authenticate(ctx context.Context, token string, who *Caller) error {
	hash := hashOf(token)
	root, cached := e.roots.Cached(who.Lane, hash)
	if !cached {
		if latchkey.CheckRootKey(token) != nil {
			return unknownRootKey() // no root key of this form was ever created
		}
		var err error
		if root, err = e.lookUpRootKey(ctx, who, hash); err != nil {
			return e.public(ctx, *who, "authentication", err)
		}
	}
	who.root, who.token = root, token
	switch {
	case root.Unknown():
		return unknownRootKey()
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

func unknownRootKey() *latchkey.Error {
	return errRootKeyNotFound.with("This root key does not exist.")
}

// lookUpRootKey reads a root key that isn't cached.
func (e *Engine) lookUpRootKey(
	ctx context.Context, who *Caller, hash keyHash,
) (root *rootKey, err error) {
	load := func(ctx context.Context, asOf coherence.Version) (*rootKey, error) {
		return e.loadRootKey(ctx, asOf, hash)
	}
	err = e.misses.lookUp(ctx, who, func() (found bool, err error) {
		var age time.Duration
		root, age, err = e.roots.Get(ctx, who.Lane, hash, load)
		e.noteStaleness(who, age)
		return err == nil && !root.Unknown(), err
	})
	return root, err
}

// CallerCache caches the first root key that it sees, so that later calls with
// it need no lookup. It is for clients that use one root key in process, and
// not for servers, since it keeps the secret in memory. The zero value is an
// empty cache; a nil cache never stores anything.
type CallerCache struct{ known atomic.Pointer[cachedCaller] }

// cachedCaller is a root key with its secret.
type cachedCaller struct {
	token string
	root  *rootKey
}

// reauthenticate returns the cached root key if the token is its secret and it is
// still valid. It returns nil if the root key changed or expired; then
// authenticate decides.
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

// save caches the root key, unless another one is cached.
func (c *CallerCache) save(token string, root *rootKey) {
	if c == nil {
		return
	}
	if known := c.known.Load(); known == nil || known.token == token {
		c.known.Store(&cachedCaller{token, root})
	}
}

// noteStaleness records that the response depends on stale data of this age. An
// age of 0 is current data.
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

// loadRootKey reads a root key. One without an id does not exist.
func (e *Engine) loadRootKey(
	ctx context.Context, asOf coherence.Version, hash keyHash,
) (*rootKey, error) {
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
	allowed, err := effectiveQuotas(row.Quotas)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", row.WorkspaceID, err)
	}
	return &rootKey{
		Dependencies:      asOf.DependsOn(row.ID, row.WorkspaceID),
		id:                row.ID,
		name:              row.Name,
		workspace:         row.WorkspaceID,
		workspaceHash:     hashOf(row.WorkspaceID),
		grants:            rbac.NewGrants(row.WorkspaceID, permissions),
		enabled:           row.Enabled,
		expires:           orElse(row.Expires, never),
		workspaceOff:      !row.WorkspaceEnabled,
		workspaceGone:     row.WorkspaceDeletedAt != 0,
		requestsPerMinute: orElse(row.RequestsPerMinute, unbounded),
		quotas:            &allowed,
		counter:           new(usageCounter),
	}, nil
}

// system returns the caller of the service's own changes in a workspace.
func (e *Engine) system(workspace string) Caller {
	return Caller{root: &rootKey{id: system, name: system, workspace: workspace}}
}
