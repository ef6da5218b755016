package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// CheckVerification returns why no request like r can be served, whatever its key and that
// key's limits are, or nil.
func (e *Engine) CheckVerification(r latchkey.VerifyKeyRequest) error {
	op, _ := Lookup("keys.verifyKey")
	r.Key = "any"
	if faults := op.Check(&r); len(faults) > 0 {
		return invalid(faults...)
	}
	if err := checkAdHoc(r.Ratelimits); err != nil {
		return err
	}
	_, err := e.parseQuery(string(r.Permissions))
	return err
}

// HasAPI reports whether the API exists, in any workspace.
func (e *Engine) HasAPI(ctx context.Context, api string) (bool, error) {
	_, err := e.db.GateAPI(ctx, api)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// authenticateGate makes the caller of a gate one who can only verify the keys of the gate's
// API. The request limit of the API's workspace applies to it as to a root key.
func (e *Engine) authenticateGate(ctx context.Context, call *Call) error {
	load := func(ctx context.Context, asOf coherence.Version) (*rootKey, error) {
		return e.loadGate(ctx, asOf, call.Gate)
	}
	root, age, err := e.roots.Get(ctx, call.Lane, gateRef(call.Gate), load)
	e.noteStaleness(&call.Caller, age)
	if err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	if root.Unknown() {
		return errAPINotFound.with("The API of this gate does not exist.")
	}
	call.root = root
	return nil
}

// gateRef is how the caller of a gate is cached, beside root keys. No root key has that hash:
// to find one is as hard as to find one for a given hash.
func gateRef(api string) keyHash { return keyHash(hashOf("gate").in(hashOf(api))) }

func (e *Engine) loadGate(
	ctx context.Context, asOf coherence.Version, api string,
) (*rootKey, error) {
	row, err := e.db.GateAPI(ctx, api)
	if errors.Is(err, store.ErrNotFound) {
		return &rootKey{Dependencies: asOf.DependsOn(api)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return &rootKey{
		Dependencies: asOf.DependsOn(row.ID, row.WorkspaceID),
		id:           row.ID, name: "gate",
		workspace: row.WorkspaceID, workspaceHash: hashOf(row.WorkspaceID),
		grants:  rbac.NewGrants(row.WorkspaceID, []string{"api." + row.ID + ".verify_key"}),
		enabled: true, expires: never,
		requestsPerMinute: orElse(row.RequestsPerMinute, unbounded),
		counter:           new(usageCounter), // its uses are of no row, so only these count
	}, nil
}
