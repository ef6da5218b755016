package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// AddPermissions gives a key permissions. Slugs that don't exist are created;
// what the key holds already is passed over. The answer is all that it holds
// directly, sorted by slug.
func (e *Engine) AddPermissions(ctx context.Context, who Caller, r *latchkey.AddPermissionsRequest) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			permissions, err := c.permissionsFor(ctx, r.Permissions)
			if err != nil {
				return err
			}
			return c.connectPermissions(ctx, key, permissions)
		})
}

// RemovePermissions takes permissions that a key holds directly. All slugs must
// exist; what the key doesn't hold is passed over, and so is what it holds
// through a role. The answer is all that it still holds directly.
func (e *Engine) RemovePermissions(ctx context.Context, who Caller, r *latchkey.RemovePermissionsRequest) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			permissions, err := c.permissionsNamed(ctx, r.Permissions)
			if err != nil {
				return err
			}
			return c.disconnectPermissions(ctx, key, permissions)
		})
}

// SetPermissions makes the slugs all that a key holds directly. Those that
// don't exist are created; an empty list removes all. What the key holds
// through roles is not touched.
func (e *Engine) SetPermissions(ctx context.Context, who Caller, r *latchkey.SetPermissionsRequest) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			return c.replacePermissions(ctx, key, r.Permissions)
		})
}

// onPermissions changes the direct permissions of a key and returns them.
func (e *Engine) onPermissions(ctx context.Context, who Caller, keyID string, work func(context.Context, *Change, latchkey.AuditTarget) error) ([]latchkey.Permission, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) ([]latchkey.Permission, error) {
		row, err := c.managedKey(ctx, keyID)
		if err != nil {
			return nil, err
		}
		c.invalidate(keyID)
		if err := work(ctx, c, keyTarget(&row.Key)); err != nil {
			return nil, err
		}
		return c.directPermissions(ctx, keyID)
	})
}

func (c *Change) directPermissions(ctx context.Context, keyID string) ([]latchkey.Permission, error) {
	rows, err := c.tx.DirectPermissions(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("permissions of the key: %w", err)
	}
	permissions := make([]latchkey.Permission, len(rows))
	for i, row := range rows {
		permissions[i] = latchkey.Permission{ID: row.ID, Name: row.Name, Slug: row.Slug, Description: row.Description}
	}
	return permissions, nil
}

func (c *Change) connectPermissions(ctx context.Context, key latchkey.AuditTarget, permissions []latchkey.Permission) error {
	return c.updateLinks(ctx, keyPermissionConnected, key, targets(permissions, permissionTarget), c.tx.InsertKeyPermission)
}

func (c *Change) disconnectPermissions(ctx context.Context, key latchkey.AuditTarget, permissions []latchkey.Permission) error {
	return c.updateLinks(ctx, keyPermissionDisconnected, key, targets(permissions, permissionTarget), c.tx.DeleteKeyPermission)
}

// replacePermissions makes the slugs all that the key holds directly.
func (c *Change) replacePermissions(ctx context.Context, key latchkey.AuditTarget, slugs []string) error {
	wanted, err := c.permissionsFor(ctx, slugs)
	if err != nil {
		return err
	}
	held, err := c.directPermissions(ctx, key.ID)
	if err != nil {
		return err
	}
	if err := c.disconnectPermissions(ctx, key, without(held, wanted)); err != nil {
		return err
	}
	return c.connectPermissions(ctx, key, wanted)
}

// AddRoles gives a key roles, which must exist; those it has are passed over.
// The answer is all its roles, each with its permissions.
func (e *Engine) AddRoles(ctx context.Context, who Caller, r *latchkey.AddRolesRequest) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			return c.connectRoles(ctx, key, roles)
		})
}

// RemoveRoles takes roles from a key. All must exist; those it doesn't have are
// passed over. The answer is the roles it still has.
func (e *Engine) RemoveRoles(ctx context.Context, who Caller, r *latchkey.RemoveRolesRequest) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			return c.disconnectRoles(ctx, key, roles)
		})
}

// SetRoles makes the named roles all that a key has. They must exist; an empty
// list removes all. The permissions it holds directly are not touched.
func (e *Engine) SetRoles(ctx context.Context, who Caller, r *latchkey.SetRolesRequest) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			return c.replaceRoles(ctx, key, r.Roles)
		})
}

// onRoles changes the roles of a key and returns them.
func (e *Engine) onRoles(ctx context.Context, who Caller, keyID string, work func(context.Context, *Change, latchkey.AuditTarget) error) ([]latchkey.Role, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) ([]latchkey.Role, error) {
		row, err := c.managedKey(ctx, keyID)
		if err != nil {
			return nil, err
		}
		c.invalidate(keyID)
		if err := work(ctx, c, keyTarget(&row.Key)); err != nil {
			return nil, err
		}
		return c.rolesOfKey(ctx, keyID)
	})
}

// rolesOfKey returns the roles of a key by name, each with its permissions.
func (c *Change) rolesOfKey(ctx context.Context, keyID string) ([]latchkey.Role, error) {
	rows, err := c.tx.RolesOfKey(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("roles of the key: %w", err)
	}
	roles := []latchkey.Role{}
	for _, row := range rows {
		if len(roles) == 0 || roles[len(roles)-1].ID != row.ID {
			roles = append(roles, latchkey.Role{ID: row.ID, Name: row.Name, Description: row.Description})
		}
		if role := &roles[len(roles)-1]; row.PermissionID != "" {
			role.Permissions = append(role.Permissions, latchkey.Permission{
				ID: row.PermissionID, Name: row.PermissionName, Slug: row.Slug, Description: row.PermissionDescription,
			})
		}
	}
	return roles, nil
}

func (c *Change) connectRoles(ctx context.Context, key latchkey.AuditTarget, roles []latchkey.Role) error {
	return c.updateLinks(ctx, keyRoleConnected, key, targets(roles, roleTarget), c.tx.InsertKeyRole)
}

func (c *Change) disconnectRoles(ctx context.Context, key latchkey.AuditTarget, roles []latchkey.Role) error {
	return c.updateLinks(ctx, keyRoleDisconnected, key, targets(roles, roleTarget), c.tx.DeleteKeyRole)
}

// replaceRoles makes the named roles all that the key has.
func (c *Change) replaceRoles(ctx context.Context, key latchkey.AuditTarget, names []string) error {
	wanted, err := c.rolesNamed(ctx, names)
	if err != nil {
		return err
	}
	held, err := c.rolesOfKey(ctx, key.ID)
	if err != nil {
		return err
	}
	surplus := slices.DeleteFunc(held, func(r latchkey.Role) bool {
		return slices.ContainsFunc(wanted, func(w latchkey.Role) bool { return w.ID == r.ID })
	})
	if err := c.disconnectRoles(ctx, key, surplus); err != nil {
		return err
	}
	return c.connectRoles(ctx, key, wanted)
}

// relink connects a key with things, or disconnects it from them, and records
// the event for those that this changed anything for.
func (c *Change) updateLinks(
	ctx context.Context, what event, key latchkey.AuditTarget, things []latchkey.AuditTarget,
	write func(ctx context.Context, keyID, thingID string) (int64, error),
) error {
	for _, thing := range things {
		n, err := write(ctx, key.ID, thing.ID)
		if err != nil {
			return fmt.Errorf("%s of key: %w", thing.Type, err)
		}
		if n > 0 {
			c.audit(what, key, thing)
		}
	}
	return nil
}

// targets names things for the audit log.
func targets[T any](things []T, name func(T) latchkey.AuditTarget) []latchkey.AuditTarget {
	named := make([]latchkey.AuditTarget, len(things))
	for i, thing := range things {
		named[i] = name(thing)
	}
	return named
}
