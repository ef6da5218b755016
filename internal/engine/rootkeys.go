package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateRootKey makes a root key and returns its secret, which is shown nowhere
// else and not saved. It works at once.
//
// The root key needs root_key.*.create_root_key and can hand on only what it
// holds itself: a permission among its own, or a resource name that one of its
// own covers, and no longer than it lives itself; anything else answers 403. Another workspace than the caller's
// takes the operator and answers 404 to everyone else.
func (e *Engine) CreateRootKey(ctx context.Context, who Caller, r *latchkey.CreateRootKeyRequest) (latchkey.CreatedRootKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		workspace, err := who.resolveWorkspace(ctx, r.WorkspaceID, c.requireWhen, c.tx.Workspace)
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.requireGrantable(r.Permissions); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.requireExpiry(r.Expires); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		return c.insertRootKey(ctx, workspace, r.Name, r.Permissions, nullableTime(r.Expires))
	})
}

// insertRootKey makes a root key. The hash is touched too, because it may be
// cached as one that doesn't exist.
func (c *Change) insertRootKey(ctx context.Context, workspace, name string, permissions []string, expires sql.NullInt64) (latchkey.CreatedRootKey, error) {
	const prefix, length = "latchkey", 24
	id, made := NewID("rk"), newSecret(prefix, length)
	c.invalidate(id, made.hash)
	c.audit(rootKeyCreated, rootKeyTarget(id, name))
	err := c.tx.InsertRootKey(ctx, write.InsertRootKeyParams{
		ID: id, WorkspaceID: workspace, Hash: made.hash, Start: made.start, Name: name,
		Permissions: permissionList(permissions), Enabled: true, Expires: expires, CreatedAt: c.now,
	})
	if err != nil {
		return latchkey.CreatedRootKey{}, err
	}
	return latchkey.CreatedRootKey{RootKeyID: id, Key: made.text}, nil
}

// ListRootKeys reads one page of the root keys of a workspace, in the order of
// their ids. Secrets are not among what it shows; they are not saved.
//
// The root key needs root_key.*.read_root_key. Another workspace than the
// caller's takes the operator and answers 404 to everyone else.
func (e *Engine) ListRootKeys(ctx context.Context, who Caller, r *latchkey.ListRootKeysRequest) (latchkey.Page[latchkey.RootKey], error) {
	var none latchkey.Page[latchkey.RootKey]
	workspace, err := who.resolveWorkspace(ctx, r.WorkspaceID, who.requireWhen, e.db.Workspace)
	if err != nil {
		return none, err
	}
	size := pageSize(r.Limit, 100)
	rows, err := e.db.RootKeysPage(ctx, workspace, r.Cursor, int64(size)+1)
	if err != nil {
		return none, err
	}
	return tryPageOf(rows, size, func(row read.RootKey) string { return row.ID }, rootKeyOf)
}

// UpdateRootKey changes a root key and returns it as it is then. What it may
// do, and whether, changes with its next request.
//
// The root key needs root_key.*.update_root_key and every permission that the
// root key holds, before and after; otherwise it answers 403. A root key of
// another workspace answers 404 to everyone but the operator. None can switch
// itself off (412), so there is always one left that could undo it.
func (e *Engine) UpdateRootKey(ctx context.Context, who Caller, r *latchkey.UpdateRootKeyRequest) (latchkey.RootKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.RootKey, error) {
		row, err := c.manageableRootKey(ctx, r.RootKeyID)
		if err != nil {
			return latchkey.RootKey{}, err
		}
		if permissions, ok := r.Permissions.Get(); ok {
			if err := c.requireGrantable(permissions); err != nil {
				return latchkey.RootKey{}, err
			}
			row.Permissions = permissionList(permissions)
		}
		if !r.Name.IsZero() {
			row.Name = r.Name.Or("")
		}
		if !r.Expires.IsZero() {
			if err := c.requireExpiry(r.Expires.Or(latchkey.Time{})); err != nil {
				return latchkey.RootKey{}, err
			}
			row.Expires = nullableTime(r.Expires.Or(latchkey.Time{}))
		}
		if row.Enabled = r.Enabled.Or(row.Enabled); !row.Enabled && row.ID == who.root.id {
			return latchkey.RootKey{}, errProtected.with("A root key can't switch itself off.")
		}
		return c.updateRootKey(ctx, row)
	})
}

func (c *Change) updateRootKey(ctx context.Context, row read.RootKey) (latchkey.RootKey, error) {
	c.invalidate(row.ID)
	c.audit(rootKeyUpdated, rootKeyTarget(row.ID, row.Name))
	err := c.tx.UpdateRootKey(ctx, write.UpdateRootKeyParams{
		ID: row.ID, Name: row.Name, Permissions: row.Permissions, Enabled: row.Enabled, Expires: row.Expires,
	})
	if err != nil {
		return latchkey.RootKey{}, err
	}
	return rootKeyOf(row)
}

// DeleteRootKey deletes a root key; its next request answers 401. There is no
// way back.
//
// The root key needs root_key.*.delete_root_key and every permission that the
// root key holds; otherwise it answers 403. A root key of another workspace
// answers 404 to everyone but the operator. None can delete itself (412).
func (e *Engine) DeleteRootKey(ctx context.Context, who Caller, r *latchkey.DeleteRootKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.manageableRootKey(ctx, r.RootKeyID)
		if err != nil {
			return err
		}
		if row.ID == who.root.id {
			return errProtected.with("A root key can't delete itself.")
		}
		c.invalidate(row.ID)
		c.audit(rootKeyDeleted, rootKeyTarget(row.ID, row.Name))
		return c.tx.DeleteRootKey(ctx, row.ID)
	})
}

// manageableRootKey finds a root key that the caller may change: it is within
// reach and holds nothing that the caller doesn't hold. The refusal doesn't say
// what that is, for the caller may not be allowed to know.
func (c *Change) manageableRootKey(ctx context.Context, id string) (read.RootKey, error) {
	row, err := c.tx.RootKey(ctx, id)
	if err != nil {
		return read.RootKey{}, orNotFound(err, rootKeyNotFound())
	}
	if row.WorkspaceID != c.who.WorkspaceID() {
		if err := c.requireWhen(latchkey.WhenOtherWorkspace, everything); err != nil {
			return read.RootKey{}, err
		}
	}
	held, err := permissionsOf(row)
	if err != nil {
		return read.RootKey{}, err
	}
	if c.requireGrantable(held) != nil {
		return read.RootKey{}, exceedsCaller()
	}
	return row, nil
}

// mayHandOn refuses a caller that would hand on what it doesn't hold.
func (c *Change) requireGrantable(permissions []string) error {
	if len(permissions) > 0 {
		c.checks = append(c.checks, authCheck{HandsOn: permissions})
	}
	if missing, lacking := c.who.firstMissing(permissions); lacking {
		return errNotPermitted.with("A root key can hand on only what it holds itself. Missing permission: '%s'", missing)
	}
	return nil
}

// mayOutlive refuses a caller that would hand on more time than it has.
func (c *Change) requireExpiry(expires latchkey.Time) error {
	until := orElse(nullableTime(expires), never)
	c.checks = append(c.checks, authCheck{Expires: until})
	if c.who.outlivedBy(until) {
		return outlivesCaller()
	}
	return nil
}

func outlivesCaller() *latchkey.Error {
	return errNotPermitted.with("A root key that expires can't make another one last longer than itself.")
}

func exceedsCaller() *latchkey.Error {
	return errNotPermitted.with("This root key holds permissions that you do not hold. Only a root key that holds all of them can change it.")
}

// weighRootKey is how many bytes a root key takes with its share of the cache:
// an ample estimate for one that holds every permission there is.
func weighRootKey(keyHash, *rootKey) uint32 { return 8 << 10 }

// permissionList is the stored form of permissions: sorted, each once.
func permissionList(permissions []string) string {
	sorted := append([]string{}, permissions...)
	slices.Sort(sorted)
	text, err := json.Marshal(slices.Compact(sorted))
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}

func permissionsOf(row read.RootKey) ([]string, error) {
	var permissions []string
	if err := json.Unmarshal([]byte(row.Permissions), &permissions); err != nil {
		return nil, fmt.Errorf("root key %s: permissions: %w", row.ID, err)
	}
	return permissions, nil
}

func rootKeyOf(row read.RootKey) (latchkey.RootKey, error) {
	permissions, err := permissionsOf(row)
	if err != nil {
		return latchkey.RootKey{}, err
	}
	key := latchkey.RootKey{
		ID: row.ID, WorkspaceID: row.WorkspaceID, Name: row.Name, Start: row.Start,
		Permissions: permissions, Enabled: row.Enabled, CreatedAt: latchkey.AtMilli(row.CreatedAt),
	}
	if row.Expires.Valid {
		key.Expires = latchkey.AtMilli(row.Expires.Int64)
	}
	return key, nil
}

func rootKeyNotFound() *latchkey.Error { return errKeyNotFound.with("This root key does not exist.") }

func rootKeyTarget(id, name string) latchkey.AuditTarget {
	return target("rootKey", id, name)
}

// WhoamiRootKey returns the root key that the request was sent with, and which
// operations it may call: every one for which it satisfies the rules that always
// apply, for all ids or for some. An operation can still refuse a request that
// needs more, for example one that creates permissions on the way.
//
// Every root key may call it.
func (e *Engine) WhoamiRootKey(
	ctx context.Context, who Caller, _ *latchkey.WhoamiRootKeyRequest,
) (latchkey.RootKeyWhoami, error) {
	workspace, err := e.db.Workspace(ctx, who.WorkspaceID())
	if err != nil {
		return latchkey.RootKeyWhoami{}, orNotFound(err, workspaceNotFound())
	}
	me := latchkey.RootKeyWhoami{
		RootKeyID: who.root.id, Name: who.root.name,
		WorkspaceID: workspace.ID, WorkspaceName: workspace.Name,
		Permissions: who.root.grants.Texts(), Operations: []latchkey.CallableOperation{},
	}
	if who.root.expires != never {
		me.Expires = latchkey.AtMilli(who.root.expires)
	}
	for _, op := range e.ops {
		if ids, callable := op.callable(who.root.grants); callable {
			me.Operations = append(me.Operations, latchkey.CallableOperation{Operation: op.Name, For: ids})
		}
	}
	return me, nil
}

// FirstRootKey makes the first workspace and the operator's root key where
// there is no workspace yet, and returns the root key, or "" if there was one.
// Of several nodes that start together one makes them. It gives the root key to
// keep before it counts: a root key that couldn't be saved, or was lost in a
// crash, has never existed and is made again. Keep may be called more than once;
// the last root key that it was given is the one, and "" says that none of them is.
func (e *Engine) FirstRootKey(ctx context.Context, keep func(rootKey string) error) (string, error) {
	if n, err := e.db.CountWorkspaces(ctx); err != nil || n > 0 {
		return "", err
	}
	saved := false
	workspace := NewID("ws")
	made, err := change(ctx, e, e.system(workspace), func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		if n, err := c.tx.CountWorkspaces(ctx); err != nil || n > 0 {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.insertWorkspace(ctx, workspace, "default", sql.NullInt64{}); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		made, err := c.insertRootKey(ctx, workspace, "operator", []string{rbac.Operator}, sql.NullInt64{})
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		saved = true
		if err := keep(made.Key); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		return made, nil
	})
	if err != nil {
		return "", err
	}
	if saved && made.Key == "" {
		return "", keep("")
	}
	return made.Key, nil
}
