package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// AddPermissions grants permissions to a key and returns all permissions that
// the key has directly, sorted by slug. Slugs that don't exist are created.
// Permissions that the key already has are ignored.
func (e *Engine) AddPermissions(
	ctx context.Context, who Caller, r *latchkey.AddPermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			permissions, err := c.permissionsFor(ctx, r.Permissions)
			if err != nil {
				return err
			}
			return c.connectPermissions(ctx, key, permissions)
		})
}

// RemovePermissions revokes permissions that a key has directly and returns the
// rest, sorted by slug. All slugs must exist. Permissions that the key doesn't
// have, or has only through a role, are ignored.
func (e *Engine) RemovePermissions(
	ctx context.Context, who Caller, r *latchkey.RemovePermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			permissions, err := c.permissionsNamed(ctx, r.Permissions)
			if err != nil {
				return err
			}
			return c.disconnectPermissions(ctx, key, permissions)
		})
}

// SetPermissions replaces the permissions that a key has directly and returns
// them, sorted by slug. Slugs that don't exist are created; an empty list
// removes all. Permissions that the key has through roles don't change.
func (e *Engine) SetPermissions(
	ctx context.Context, who Caller, r *latchkey.SetPermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			return c.replacePermissions(ctx, key, r.Permissions)
		})
}

// onPermissions changes the direct permissions of a key and returns them.
func (e *Engine) onPermissions(
	ctx context.Context, who Caller, keyID string,
	work func(context.Context, *Change, latchkey.AuditTarget) error,
) ([]latchkey.Permission, error) {
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

func (c *Change) directPermissions(
	ctx context.Context, keyID string,
) ([]latchkey.Permission, error) {
	rows, err := c.tx.DirectPermissions(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("permissions of the key: %w", err)
	}
	permissions := make([]latchkey.Permission, len(rows))
	for i, row := range rows {
		permissions[i] = latchkey.Permission{
			ID: row.ID, Name: row.Name, Slug: row.Slug, Description: row.Description,
		}
	}
	return permissions, nil
}

func (c *Change) connectPermissions(
	ctx context.Context, key latchkey.AuditTarget, permissions []latchkey.Permission,
) error {
	return c.updateLinks(ctx, keyPermissionConnected, key, targets(permissions, permissionTarget),
		c.tx.InsertKeyPermission)
}

func (c *Change) disconnectPermissions(
	ctx context.Context, key latchkey.AuditTarget, permissions []latchkey.Permission,
) error {
	return c.updateLinks(ctx, keyPermissionDisconnected, key,
		targets(permissions, permissionTarget), c.tx.DeleteKeyPermission)
}

// replacePermissions replaces the permissions that the key has directly.
func (c *Change) replacePermissions(
	ctx context.Context, key latchkey.AuditTarget, slugs []string,
) error {
	wanted, err := c.permissionsFor(ctx, slugs)
	if err != nil {
		return err
	}
	current, err := c.directPermissions(ctx, key.ID)
	if err != nil {
		return err
	}
	if err := c.disconnectPermissions(ctx, key, without(current, wanted)); err != nil {
		return err
	}
	return c.connectPermissions(ctx, key, wanted)
}

// AddRoles assigns roles to a key and returns all roles of the key, each with
// its permissions. The roles must exist. Roles that the key already has are
// ignored.
func (e *Engine) AddRoles(
	ctx context.Context, who Caller, r *latchkey.AddRolesRequest,
) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			return c.connectRoles(ctx, key, roles)
		})
}

// RemoveRoles removes roles from a key and returns the rest, each with its
// permissions. The roles must exist. Roles that the key doesn't have are
// ignored.
func (e *Engine) RemoveRoles(
	ctx context.Context, who Caller, r *latchkey.RemoveRolesRequest,
) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			return c.disconnectRoles(ctx, key, roles)
		})
}

// SetRoles replaces the roles of a key and returns them, each with its
// permissions. The roles must exist; an empty list removes all. Permissions
// that the key has directly don't change.
func (e *Engine) SetRoles(
	ctx context.Context, who Caller, r *latchkey.SetRolesRequest,
) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			return c.replaceRoles(ctx, key, r.Roles)
		})
}

// onRoles changes the roles of a key and returns them.
func (e *Engine) onRoles(
	ctx context.Context, who Caller, keyID string,
	work func(context.Context, *Change, latchkey.AuditTarget) error,
) ([]latchkey.Role, error) {
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
			roles = append(roles, latchkey.Role{
				ID: row.ID, Name: row.Name, Description: row.Description,
			})
		}
		if role := &roles[len(roles)-1]; row.PermissionID != "" {
			role.Permissions = append(role.Permissions, latchkey.Permission{
				ID: row.PermissionID, Name: row.PermissionName, Slug: row.Slug,
				Description: row.PermissionDescription,
			})
		}
	}
	return roles, nil
}

func (c *Change) connectRoles(
	ctx context.Context, key latchkey.AuditTarget, roles []latchkey.Role,
) error {
	return c.updateLinks(ctx, keyRoleConnected, key, targets(roles, roleTarget), c.tx.InsertKeyRole)
}

func (c *Change) disconnectRoles(
	ctx context.Context, key latchkey.AuditTarget, roles []latchkey.Role,
) error {
	return c.updateLinks(ctx, keyRoleDisconnected, key, targets(roles, roleTarget),
		c.tx.DeleteKeyRole)
}

// replaceRoles replaces the roles of the key.
func (c *Change) replaceRoles(ctx context.Context, key latchkey.AuditTarget, names []string) error {
	wanted, err := c.rolesNamed(ctx, names)
	if err != nil {
		return err
	}
	current, err := c.rolesOfKey(ctx, key.ID)
	if err != nil {
		return err
	}
	surplus := slices.DeleteFunc(current, func(r latchkey.Role) bool {
		return slices.ContainsFunc(wanted, func(w latchkey.Role) bool { return w.ID == r.ID })
	})
	if err := c.disconnectRoles(ctx, key, surplus); err != nil {
		return err
	}
	return c.connectRoles(ctx, key, wanted)
}

// updateLinks connects a key with objects or disconnects it from them, and
// audits each link that changed.
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

// targets returns the audit targets of the objects.
func targets[T any](things []T, name func(T) latchkey.AuditTarget) []latchkey.AuditTarget {
	named := make([]latchkey.AuditTarget, len(things))
	for i, thing := range things {
		named[i] = name(thing)
	}
	return named
}
