package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// Adoption takes over the keys of another service while they are used: a verification of a key
// that the workspace doesn't have asks that service once, and keeps what it says.
type Adoption struct {
	// API is the id of the API that adopted keys belong to. Its workspace adopts.
	API string
	// Ask returns what the other service knows of a key, or nil if it doesn't know the key. An
	// error is trouble, and says nothing about the key.
	Ask func(ctx context.Context, key string) (*latchkey.Key, error)
}

// The bounds of adoption.
const (
	askTimeout = 5 * time.Second       // of one question
	askLease   = 10 * time.Second      // after which another node asks for one that died
	askPlaces  = 64                    // questions of a node at once
	askPoll    = 25 * time.Millisecond // between looks at what another request is asking
	// unknownFor is for how long a key isn't asked for again that the other service doesn't know.
	unknownFor  = 10 * time.Minute
	troubleNote = 10 * time.Second // between log lines about trouble
	troubleWait = time.Second      // the Retry-After of trouble
)

// The states of a row of the table adoptions.
const (
	adoptAsking  = "asking"
	adoptAdopted = "adopted"
	adoptUnknown = "unknown"
)

// adopter asks the other service. The rows of the table adoptions say, for all nodes, which
// keys are being asked for and what the answers were.
type adopter struct {
	Adoption
	api    read.API
	caller Caller        // makes the keys
	places chan struct{} // of questions
	noted  atomic.Int64  // when trouble was last logged, unix ms
}

// openAdopter returns the adopter of a configuration, or nil if there is none.
func (e *Engine) openAdopter(ctx context.Context, a *Adoption) (*adopter, error) {
	if a == nil {
		return nil, nil
	}
	api, err := e.db.APIByID(ctx, a.API)
	if err != nil {
		return nil, fmt.Errorf("the API %q that is to adopt keys: %w", a.API, err)
	}
	caller := e.system(api.WorkspaceID)
	caller.root.grants = rbac.NewGrants(api.WorkspaceID, latchkey.AllPermissions())
	for _, op := range e.ops {
		if op.Name == "keys.migrateKeys" {
			caller.op = op
		}
	}
	return &adopter{
		Adoption: *a, api: api, caller: caller, places: make(chan struct{}, askPlaces),
	}, nil
}

// adopts reports whether unknown keys of the caller's workspace are asked for elsewhere.
func (e *Engine) adopts(who *Caller) bool {
	return e.adopter != nil && e.adopter.api.WorkspaceID == who.root.workspace
}

// adopt returns the key of that hash, which the workspace doesn't have, from the other service.
// Of all requests for it on all nodes one asks, and the others wait for the answer. The key is
// unknown if the other service says so, and there is an error, never an unknown key, if it
// can't be asked.
func (e *Engine) adopt(
	ctx context.Context, who *Caller, key string, hash keyHash,
) (*keySnapshot, error) {
	a, name := e.adopter, hash.String()
	leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for start := time.Now(); time.Since(start) < askTimeout+askLease; sleep(ctx, askPoll) {
		row, err := e.db.Adoption(ctx, a.api.WorkspaceID, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("adoption: %w", err)
		}
		age := time.Duration(e.now()-row.AskedAt) * time.Millisecond
		switch {
		case row.State == adoptAdopted:
			e.source.Clock.Invalidate(name) // another node did it, and may not have been heard yet
			return e.snapshot(ctx, who, hash)
		case row.State == adoptUnknown && age < unknownFor:
			return new(keySnapshot), nil
		case row.State == adoptAsking && age < askLease && ctx.Err() == nil:
			continue
		}
		claim, err := e.claim(ctx, name)
		if err != nil {
			return nil, err
		}
		if claim != 0 {
			return e.ask(ctx, who, key, hash, claim)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, adoptionTrouble()
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// enter waits for a place among the questions.
func (a *adopter) enter(ctx context.Context) (leave func(), err error) {
	timeout := time.NewTimer(troubleWait)
	defer timeout.Stop()
	select {
	case a.places <- struct{}{}:
		return func() { <-a.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timeout.C:
		return nil, adoptionTrouble()
	}
}

// claim writes that this request asks for a key, and returns when, or 0 if another one does.
func (e *Engine) claim(ctx context.Context, hash string) (claim int64, err error) {
	err = e.change(ctx, e.adopter.caller, func(ctx context.Context, c *Change) error {
		n, err := c.tx.ClaimAdoption(ctx, write.ClaimAdoptionParams{
			WorkspaceID: e.adopter.api.WorkspaceID, Hash: hash, AskedAt: c.now,
			Died: c.now - askLease.Milliseconds(), Forgotten: c.now - unknownFor.Milliseconds(),
		})
		if claim = 0; n > 0 {
			claim = c.now
		}
		return err
	})
	return claim, err
}

// ask asks for a key and keeps the answer, even if the caller is gone.
func (e *Engine) ask(
	ctx context.Context, who *Caller, key string, hash keyHash, claim int64,
) (*keySnapshot, error) {
	keep := context.WithoutCancel(ctx)
	asking, cancel := context.WithTimeout(keep, askTimeout)
	defer cancel()
	found, err := e.adopter.Ask(asking, key)
	if err == nil {
		err = e.settle(keep, hash.String(), claim, found)
	}
	if err != nil {
		e.noteTrouble(errors.Join(err, e.release(keep, hash.String(), claim)))
		return nil, adoptionTrouble()
	}
	return e.snapshot(keep, who, hash)
}

// settle keeps what the other service knows of a key; nil if it doesn't know it.
func (e *Engine) settle(
	ctx context.Context, hash string, claim int64, found *latchkey.Key,
) error {
	workspace := e.adopter.api.WorkspaceID
	if found == nil {
		return e.change(ctx, e.adopter.caller, func(ctx context.Context, c *Change) error {
			return c.settleAdoption(ctx, write.SettleAdoptionParams{
				State: adoptUnknown, WorkspaceID: workspace, Hash: hash, AskedAt: claim,
			})
		})
	}
	facts := factsOf(hash, found)
	if faults := wire.Check(&latchkey.MigrateKeysRequest{
		MigrationID: "mig_adopt", APIID: e.adopter.API, Keys: []latchkey.MigrateKey{*facts},
	}); len(faults) > 0 {
		return fmt.Errorf("the key %s can't be adopted: %w", found.KeyID, invalid(faults...))
	}
	return e.change(ctx, e.adopter.caller, func(ctx context.Context, c *Change) error {
		api, err := c.tx.LiveAPI(ctx, e.adopter.API, workspace)
		if err != nil {
			return fmt.Errorf("the API that adopts keys: %w", err)
		}
		if err := c.adoptOwner(ctx, found.Identity); err != nil {
			return err
		}
		creation := creationOf(facts)
		creation.Permissions, err = c.withoutThoseOfRoles(ctx, facts.Permissions, facts.Roles)
		if err != nil {
			return err
		}
		row := read.Key{Hash: hash, Start: facts.Start}
		id, err := c.createKey(ctx, api, row, creation, c.rolesFor)
		if err != nil {
			return err
		}
		return c.settleAdoption(ctx, write.SettleAdoptionParams{
			State: adoptAdopted, KeyID: id, OriginID: found.KeyID, WorkspaceID: workspace, Hash: hash,
			AskedAt: claim,
		})
	})
}

// settleAdoption writes the answer to a question, unless its claim was lost.
func (c *Change) settleAdoption(ctx context.Context, answer write.SettleAdoptionParams) error {
	n, err := c.tx.SettleAdoption(ctx, answer)
	if err == nil && n == 0 {
		err = errors.New("another request has asked for the key meanwhile")
	}
	return err
}

// withoutThoseOfRoles returns the permissions that none of the named roles grants here. What
// the other service says of a key has those of its roles too: as the key's own they would
// stay when a role loses them, or the key the role.
func (c *Change) withoutThoseOfRoles(
	ctx context.Context, slugs, names []string,
) ([]string, error) {
	var folded []string
	for _, name := range names {
		folded = append(folded, foldName(name))
	}
	slices.Sort(folded)
	roles, err := c.tx.RolesByName(ctx, c.who.WorkspaceID(), slices.Compact(folded))
	if err != nil {
		return nil, err
	}
	granted := map[string]bool{}
	for _, role := range roles {
		rows, err := c.tx.RolePermissions(ctx, role.ID)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			granted[row.Slug] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(slugs), func(slug string) bool { return granted[slug] }), nil
}

// adoptOwner makes the identity of an adopted key, with its metadata and limits, unless the
// workspace has it.
func (c *Change) adoptOwner(ctx context.Context, owner *latchkey.Identity) error {
	if owner == nil {
		return nil
	}
	_, err := c.tx.IdentityByExternalID(ctx, c.who.WorkspaceID(), owner.ExternalID)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	meta, err := metaText(owner.Meta)
	if err != nil {
		return err
	}
	identity, err := c.insertIdentity(ctx, owner.ExternalID, meta)
	if err != nil {
		return err
	}
	if owner.Disabled {
		if err := c.tx.SetIdentityEnabled(ctx, identity.ID, false); err != nil {
			return err
		}
	}
	_, err = c.setLimits(ctx, identity, requestsOf(owner.Ratelimits))
	return err
}

// factsOf returns what is kept of a key of the other service.
func factsOf(hash string, k *latchkey.Key) *latchkey.MigrateKey {
	return &latchkey.MigrateKey{
		Hash: hash, Start: k.Start, Name: k.Name, ExternalID: k.ExternalID(), Meta: k.Meta,
		Roles: k.Roles, Permissions: k.Permissions, Expires: k.Expires,
		Enabled: latchkey.Set(k.Enabled), Credits: k.Credits, Ratelimits: requestsOf(k.Ratelimits),
	}
}

func requestsOf(limits []latchkey.Ratelimit) (requests []latchkey.RatelimitRequest) {
	for _, l := range limits {
		requests = append(requests, l.Request())
	}
	return requests
}

// release gives a claim back, so that the next request asks again.
func (e *Engine) release(ctx context.Context, hash string, claim int64) error {
	return e.change(ctx, e.adopter.caller, func(ctx context.Context, c *Change) error {
		return c.tx.ReleaseAdoption(ctx, e.adopter.api.WorkspaceID, hash, claim)
	})
}

// adoptionTrouble is the error of a verification that needs the other service.
func adoptionTrouble() *latchkey.Error {
	e := errUnavailable.with("This key is not known here yet, and the service that it comes from " +
		"can't be asked. Send the request again later.")
	e.RetryAfter = troubleWait
	return e
}

// noteTrouble logs why a key could not be adopted, seldom, because every request for an
// unknown key can have the same trouble.
func (e *Engine) noteTrouble(err error) {
	now, last := time.Now().UnixMilli(), e.adopter.noted.Load()
	if now-last >= troubleNote.Milliseconds() && e.adopter.noted.CompareAndSwap(last, now) {
		e.log.Error("a key could not be adopted: verifications of keys that are unknown here fail "+
			"until the old service can be asked", "error", err)
	}
}

// dropUnknownAdoptions deletes what is known of keys that are asked for again.
func (e *Engine) dropUnknownAdoptions(ctx context.Context) error {
	before := e.now() - unknownFor.Milliseconds()
	return deleteInChunks(ctx, e.db, func(ctx context.Context, tx *store.Tx) (int64, error) {
		return tx.DropUnknownAdoptions(ctx, before, chunk)
	})
}
