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

// CreateRootKey creates a root key and returns its secret, which is shown only
// in this response and not stored. The root key works at once.
//
// The root key needs root_key.*.create_root_key. It can grant only permissions
// that it has or that one of its resource names covers, and no expiry after its
// own; otherwise the operation returns 403. A misspelled permission returns 400
// with the most similar one, and so does a resource name of another workspace.
// Only the operator can create root keys in another workspace; everyone else gets a
// 404.
func (e *Engine) CreateRootKey(
	ctx context.Context, who Caller, r *latchkey.CreateRootKeyRequest,
) (latchkey.CreatedRootKey, error) {
	work := func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		workspace, err := who.resolveWorkspace(ctx, r.WorkspaceID, c.requireWhen, c.tx.Workspace)
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		if err := checkPermissions(workspace, r.Permissions); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.requireGrantable(r.Permissions); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		expires := nullableTime(r.Expires)
		if err := c.requireExpiry(expires); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		return c.insertRootKey(ctx, workspace, r.Name, r.Permissions, expires)
	}
	return change(ctx, e, who, work)
}

// insertRootKey creates an enabled root key.
func (c *Change) insertRootKey(
	ctx context.Context, workspace, name string, permissions []string, expires sql.NullInt64,
) (latchkey.CreatedRootKey, error) {
	created, err := c.storeRootKey(ctx, write.InsertRootKeyParams{
		WorkspaceID: workspace, Name: name, Permissions: permissionList(permissions),
		Enabled: true, Expires: expires,
	})
	if err != nil {
		return latchkey.CreatedRootKey{}, err
	}
	c.auditIn(workspace, rootKeyCreated, rootKeyTarget(created.RootKeyID, name))
	return created, nil
}

// storeRootKey stores a root key with a new id and a new secret. It also
// invalidates the hash, which may be cached as unknown.
func (c *Change) storeRootKey(
	ctx context.Context, row write.InsertRootKeyParams,
) (latchkey.CreatedRootKey, error) {
	if err := c.countIn(ctx, row.WorkspaceID, quotaRootKeys, 1); err != nil {
		return latchkey.CreatedRootKey{}, err
	}
	const shown = 4 // of the last characters, for people to recognize it by
	created := newRootKey()
	row.ID, row.Hash, row.Start = NewID("rk"), created.hash, created.start
	row.Ending, row.CreatedAt = created.text[len(created.text)-shown:], c.now
	c.secretOf = row.ID
	c.invalidate(row.ID, created.hash)
	if err := c.tx.InsertRootKey(ctx, row); err != nil {
		return latchkey.CreatedRootKey{}, err
	}
	return latchkey.CreatedRootKey{RootKeyID: row.ID, Key: created.text}, nil
}

// ListRootKeys returns one page of the root keys of a workspace, in the order
// of their ids. It has no secrets, because they are not stored.
//
// The root key needs root_key.*.read_root_key. Only the operator can list the
// root keys of another workspace; everyone else gets a 404.
func (e *Engine) ListRootKeys(
	ctx context.Context, who Caller, r *latchkey.ListRootKeysRequest,
) (latchkey.Page[latchkey.RootKey], error) {
	var none latchkey.Page[latchkey.RootKey]
	workspace, err := who.resolveWorkspace(ctx, r.WorkspaceID, who.requireWhen, e.db.Workspace)
	if err != nil {
		return none, err
	}
	return pageOf(r.Cursor, pageSize(r.Limit, 100), func(row read.RootKey) string { return row.ID },
		func(cursor string, most int64) ([]read.RootKey, error) {
			return e.db.RootKeysPage(ctx, workspace, cursor, most)
		}, eachOr(rootKeyOf))
}

// UpdateRootKey changes a root key and returns it. The change applies from its
// next request on.
//
// The root key needs root_key.*.update_root_key. You can change a root key only
// if you have all of its permissions, before and after; otherwise the operation
// returns 403. A root key that expires can add permissions to another one, enable
// it or set its expiry only if that one doesn't expire later (403). A root key of
// another workspace returns 404 to everyone but the operator. A root key cannot
// disable itself (412), so one that can undo the change always remains.
func (e *Engine) UpdateRootKey(
	ctx context.Context, who Caller, r *latchkey.UpdateRootKeyRequest,
) (latchkey.RootKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.RootKey, error) {
		row, err := c.manageableRootKey(ctx, r.RootKeyID)
		if err != nil {
			return latchkey.RootKey{}, err
		}
		return c.changeRootKey(ctx, row, r)
	})
}

// changeRootKey makes the requested change of a root key that the caller can
// change.
func (c *Change) changeRootKey(
	ctx context.Context, row read.RootKey, r *latchkey.UpdateRootKeyRequest,
) (latchkey.RootKey, error) {
	before := row
	if permissions, ok := r.Permissions.Get(); ok {
		if err := checkPermissions(row.WorkspaceID, permissions); err != nil {
			return latchkey.RootKey{}, err
		}
		if err := c.requireGrantable(permissions); err != nil {
			return latchkey.RootKey{}, err
		}
		row.Permissions = permissionList(permissions)
	}
	if !r.Name.IsZero() {
		row.Name = r.Name.Or("")
	}
	if !r.Expires.IsZero() {
		row.Expires = nullableTime(r.Expires.Or(latchkey.Time{}))
	}
	if row.Enabled = r.Enabled.Or(row.Enabled); !row.Enabled && row.ID == c.who.root.id {
		return latchkey.RootKey{}, errProtected.with("A root key can't disable itself.")
	}
	gains, err := gainsAccess(before, row)
	if err != nil {
		return latchkey.RootKey{}, err
	}
	if gains || !r.Expires.IsZero() {
		if err := c.requireExpiry(row.Expires); err != nil {
			return latchkey.RootKey{}, err
		}
	}
	return c.updateRootKey(ctx, before, row)
}

// gainsAccess reports whether an update enables a root key or adds permissions to
// it.
func gainsAccess(before, after read.RootKey) (bool, error) {
	had, err := permissionsOf(before)
	if err != nil {
		return false, err
	}
	has, err := permissionsOf(after)
	if err != nil {
		return false, err
	}
	grants := rbac.NewGrants(before.WorkspaceID, had)
	added := slices.ContainsFunc(has, func(p string) bool { return !grants.Covers(p) })
	return added || after.Enabled && !before.Enabled, nil
}

func (c *Change) updateRootKey(
	ctx context.Context, before, row read.RootKey,
) (latchkey.RootKey, error) {
	had, err := rootKeyOf(before)
	if err != nil {
		return latchkey.RootKey{}, err
	}
	has, err := rootKeyOf(row)
	if err != nil {
		return latchkey.RootKey{}, err
	}
	c.invalidate(row.ID)
	c.alsoIn(row.WorkspaceID,
		c.auditUpdate(rootKeyUpdated, had, has, rootKeyTarget(row.ID, row.Name)))
	err = c.tx.UpdateRootKey(ctx, write.UpdateRootKeyParams{
		ID: row.ID, Name: row.Name, Permissions: row.Permissions, Enabled: row.Enabled,
		Expires: row.Expires,
	})
	if err != nil {
		return latchkey.RootKey{}, err
	}
	return has, nil
}

// DeleteRootKey deletes a root key, whose next request returns 401. This cannot
// be undone.
//
// The root key needs root_key.*.delete_root_key. You can delete a root key only
// if you have all of its permissions; otherwise the operation returns 403. A
// root key of another workspace returns 404 to everyone but the operator. A
// root key cannot delete itself (412).
func (e *Engine) DeleteRootKey(
	ctx context.Context, who Caller, r *latchkey.DeleteRootKeyRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.manageableRootKey(ctx, r.RootKeyID)
		if err != nil {
			return err
		}
		if row.ID == who.root.id {
			return errProtected.with("A root key can't delete itself.")
		}
		c.invalidate(row.ID)
		c.auditIn(row.WorkspaceID, rootKeyDeleted, rootKeyTarget(row.ID, row.Name))
		if err := c.tx.DropAnswersAbout(ctx, row.ID); err != nil {
			return err
		}
		if err := c.countIn(ctx, row.WorkspaceID, quotaRootKeys, -1); err != nil {
			return err
		}
		return c.tx.DeleteRootKey(ctx, row.ID)
	})
}

// manageableRootKey returns a root key that the caller can change: it is in a
// workspace that the caller can reach, the caller satisfies the rules of the
// operation for it, and has all of its permissions. The error does not name a
// missing permission, which the caller may not be allowed to know.
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
	if err := c.require(ids{RootKey: row.ID}); err != nil {
		return read.RootKey{}, err
	}
	permissions, err := permissionsOf(row)
	if err != nil {
		return read.RootKey{}, err
	}
	if c.requireGrantable(permissions) != nil {
		return read.RootKey{}, exceedsCaller()
	}
	return row, nil
}

// requireGrantable returns an error if the caller lacks one of the permissions.
func (c *Change) requireGrantable(permissions []string) error {
	if len(permissions) > 0 {
		c.checks = append(c.checks, authCheck{Delegated: permissions})
	}
	if missing, lacking := c.who.firstMissing(permissions); lacking {
		return errNotPermitted.with(
			"A root key can grant only permissions that it has. Missing permission: '%s'", missing,
		)
	}
	return nil
}

// checkPermissions returns an error if a permission of a root key in the workspace is
// misspelled or names another workspace, in which it would grant nothing.
func checkPermissions(workspace string, permissions []string) error {
	for i, permission := range permissions {
		fault := latchkey.Fault{
			Location: fmt.Sprintf("/properties/permissions/items/%d", i),
			Fix:      "The API reference lists the permissions that each operation needs.",
		}
		if err := latchkey.CheckPermission(permission); err != nil {
			fault.Message = err.Error()
			return invalid(fault)
		}
		if of, named := rbac.WorkspaceOf(permission); named && of != workspace {
			fault.Message = fmt.Sprintf(
				"the permission %q names another workspace, so it grants nothing", permission)
			fault.Fix = "Write unkey:v1:" + workspace + ": at its beginning."
			return invalid(fault)
		}
	}
	return nil
}

// requireExpiry returns an error if a root key with that expiry would outlive
// the caller.
func (c *Change) requireExpiry(expires sql.NullInt64) error {
	if c.outlivedBy(expires) {
		return outlivesCaller()
	}
	return nil
}

// outlivedBy is [Caller.outlivedBy], recorded for repeated requests.
func (c *Change) outlivedBy(expires sql.NullInt64) bool {
	until := orElse(expires, never)
	c.checks = append(c.checks, authCheck{Expires: until})
	return c.who.outlivedBy(until)
}

func outlivesCaller() *latchkey.Error {
	return errNotPermitted.with("A root key can't set an expiry after its own.")
}

func exceedsCaller() *latchkey.Error {
	return errNotPermitted.with(
		"You can change this root key only if you have all of its permissions.",
	)
}

// weighRootKey estimates the bytes of a cached root key, including the cache's entry.
func weighRootKey(_ keyHash, r *rootKey) uint32 {
	const base, permission = 500, 48 // the text's and the resource name's place in their lists
	const counter = 1024
	n := base + len(r.name)
	if r.counter != nil {
		n += counter
	}
	for _, text := range r.grants.Texts() {
		n += permission + len(text)
	}
	return uint32(n)
}

// permissionList returns the stored form of permissions: sorted and distinct.
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

func rootKeyNotFound() *latchkey.Error {
	return errKeyNotFound.with("This root key does not exist.")
}

func rootKeyTarget(id, name string) latchkey.AuditTarget {
	return target("rootKey", id, name)
}

// WhoamiRootKey returns the root key of the request and the operations that it
// can call: those whose unconditional rules it satisfies, for all ids or for
// some. An operation can still reject a request that needs more, for example
// one that creates permissions.
//
// Every root key can call it.
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
			me.Operations = append(me.Operations, latchkey.CallableOperation{
				Operation: op.Name, For: ids,
			})
		}
	}
	return me, nil
}

// FirstRootKey creates the first workspace and the operator's root key in an
// installation without workspaces, and returns the root key, or "" if a
// workspace exists. Of several nodes that start together, one creates them. It
// calls keep before the commit, so that a root key that could not be saved, or
// that a crash lost, never existed and is created again. Keep may be called
// more than once: the last root key is the valid one, and "" means that none of
// them is.
func (e *Engine) FirstRootKey(
	ctx context.Context, keep func(rootKey string) error,
) (string, error) {
	if n, err := e.db.CountWorkspaces(ctx); err != nil || n > 0 {
		return "", err
	}
	saved := false
	workspace := NewID("ws")
	create := func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		if n, err := c.tx.CountWorkspaces(ctx); err != nil || n > 0 {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.insertWorkspace(ctx, workspace, "default", sql.NullInt64{}); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		created, err := c.insertRootKey(ctx, workspace, "operator", []string{rbac.Operator},
			sql.NullInt64{})
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		if c.tx.Rehearsed() {
			return created, nil
		}
		saved = true
		if err := keep(created.Key); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		return created, nil
	}
	created, err := change(ctx, e, e.system(workspace), create)
	if err != nil {
		return "", err
	}
	if saved && created.Key == "" {
		return "", keep("")
	}
	return created.Key, nil
}
