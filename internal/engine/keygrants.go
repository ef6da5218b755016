package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// AddPermissions grants permissions to a key and returns all permissions that
// the key has directly, sorted by slug. Slugs that don't exist are created.
// Permissions that the key already has are ignored.
func (e *Engine) AddPermissions(
	ctx context.Context, who Caller, r *latchkey.AddPermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(
			ctx context.Context, c *Change, key latchkey.AuditTarget, held []latchkey.Permission,
		) ([]latchkey.Permission, error) {
			wanted, err := c.permissionsForKey(ctx, r.Permissions)
			if err != nil {
				return nil, err
			}
			missing := without(wanted, held)
			if err := c.connectPermissions(ctx, key, missing); err != nil {
				return nil, err
			}
			return append(held, missing...), c.requireFewPermissions(ctx, key.ID, len(r.Permissions))
		})
}

// RemovePermissions revokes permissions that a key has directly and returns the
// rest, sorted by slug. All slugs must exist. Permissions that the key doesn't
// have, or has only through a role, are ignored.
func (e *Engine) RemovePermissions(
	ctx context.Context, who Caller, r *latchkey.RemovePermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(
			ctx context.Context, c *Change, key latchkey.AuditTarget, held []latchkey.Permission,
		) ([]latchkey.Permission, error) {
			named, err := c.permissionsNamed(ctx, r.Permissions)
			if err != nil {
				return nil, err
			}
			rest := without(held, named)
			return rest, c.disconnectPermissions(ctx, key, without(held, rest))
		})
}

// SetPermissions replaces the permissions that a key has directly and returns
// them, sorted by slug. Slugs that don't exist are created; an empty list
// removes all. Permissions that the key has through roles don't change.
func (e *Engine) SetPermissions(
	ctx context.Context, who Caller, r *latchkey.SetPermissionsRequest,
) ([]latchkey.Permission, error) {
	return e.onPermissions(ctx, who, r.KeyID,
		func(
			ctx context.Context, c *Change, key latchkey.AuditTarget, held []latchkey.Permission,
		) ([]latchkey.Permission, error) {
			wanted, err := c.permissionsForKey(ctx, r.Permissions)
			if err != nil {
				return nil, err
			}
			if err := c.replacePermissions(ctx, key, held, wanted); err != nil {
				return nil, err
			}
			return wanted, c.requireFewPermissions(ctx, key.ID, len(r.Permissions))
		})
}

// onPermissions changes the direct permissions of a key and returns them, sorted by slug.
// Work gets those that it has, and returns those that it has then.
func (e *Engine) onPermissions(
	ctx context.Context, who Caller, keyID string,
	work func(
		ctx context.Context, c *Change, key latchkey.AuditTarget, held []latchkey.Permission,
	) ([]latchkey.Permission, error),
) ([]latchkey.Permission, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) ([]latchkey.Permission, error) {
		row, err := c.managedKey(ctx, keyID)
		if err != nil {
			return nil, err
		}
		if err := c.requireStrict(row, latchkey.WhenStrictPermissions); err != nil {
			return nil, err
		}
		c.invalidate(keyID)
		held, err := c.directPermissions(ctx, keyID)
		if err != nil {
			return nil, err
		}
		if held, err = work(ctx, c, keyTarget(&row.Key), held); err != nil {
			return nil, err
		}
		slices.SortFunc(held, bySlug)
		return held, nil
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

// requireStrict returns an error if the API of the key has strictGrants, the
// operation declares a rule for that, and the caller doesn't satisfy it.
func (c *Change) requireStrict(row read.LiveKeyRow, when latchkey.Condition) error {
	if !row.StrictGrants || !c.who.op.declares(when) {
		return nil
	}
	return c.requireWhen(when, everything)
}

// requireWildcard returns an error if the caller can't grant a permission with a *.
// In verification a * stands for any text, so such a permission is all that match.
func (c *Change) requireWildcard() error {
	return c.requireWhen(latchkey.WhenWildcard, everything)
}

func hasWildcard(p latchkey.Permission) bool { return strings.Contains(p.Slug, "*") }

// maxHeld is how many permissions a key can have, directly and through its roles, as many
// as one request can name. A permission that several roles have counts for each.
const maxHeld = 1000

// requireFewPermissions returns an error if a key has too many permissions after a request
// that gave it some permissions or roles.
func (c *Change) requireFewPermissions(ctx context.Context, keyID string, given int) error {
	if given == 0 {
		return nil
	}
	n, err := c.tx.CountKeyPermissions(ctx, keyID)
	if err != nil {
		return err
	}
	return fewPermissions(n)
}

// fewPermissions returns an error if a key would have too many permissions.
func fewPermissions(n int64) error {
	if n <= maxHeld {
		return nil
	}
	return invalid(latchkey.Fault{
		Location: "/properties",
		Message: fmt.Sprintf("a key can have %d permissions, directly and through its roles, "+
			"and this one would have %d", maxHeld, n),
		Fix: "Remove permissions or roles first, or use permissions with a * in place of several.",
	})
}

// connectPermissions gives a key permissions that it doesn't have directly.
func (c *Change) connectPermissions(
	ctx context.Context, key latchkey.AuditTarget, missing []latchkey.Permission,
) error {
	if slices.ContainsFunc(missing, hasWildcard) {
		if err := c.requireWildcard(); err != nil {
			return err
		}
	}
	c.auditAll(keyPermissionConnected, targets(missing, permissionTarget), key)
	if err := c.tx.InsertKeyPermissions(ctx, key.ID, idsOf(missing)); err != nil {
		return fmt.Errorf("permissions of the key: %w", err)
	}
	return nil
}

// disconnectPermissions takes permissions from a key that has them directly.
func (c *Change) disconnectPermissions(
	ctx context.Context, key latchkey.AuditTarget, permissions []latchkey.Permission,
) error {
	c.auditAll(keyPermissionDisconnected, targets(permissions, permissionTarget), key)
	if err := c.tx.DeleteKeyPermissionsOf(ctx, key.ID, idsOf(permissions)); err != nil {
		return fmt.Errorf("permissions of the key: %w", err)
	}
	return nil
}

// replacePermissions replaces the permissions that the key has directly.
func (c *Change) replacePermissions(
	ctx context.Context, key latchkey.AuditTarget, held, wanted []latchkey.Permission,
) error {
	if err := c.disconnectPermissions(ctx, key, without(held, wanted)); err != nil {
		return err
	}
	return c.connectPermissions(ctx, key, without(wanted, held))
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
			held, err := c.heldRoles(ctx, key.ID)
			if err != nil {
				return err
			}
			if err := c.connectRoles(ctx, key, held, roles); err != nil {
				return err
			}
			return c.requireFewPermissions(ctx, key.ID, len(r.Roles))
		})
}

// RemoveRoles removes roles from a key and returns the rest, each with its
// permissions. The roles must exist. Roles that the key doesn't have are
// ignored. If the roles that are left have more than 1000 permissions, the
// response has none of these.
func (e *Engine) RemoveRoles(
	ctx context.Context, who Caller, r *latchkey.RemoveRolesRequest,
) ([]latchkey.Role, error) {
	return e.onRoles(ctx, who, r.KeyID,
		func(ctx context.Context, c *Change, key latchkey.AuditTarget) error {
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			held, err := c.heldRoles(ctx, key.ID)
			if err != nil {
				return err
			}
			surplus := withoutRoles(held, withoutRoles(held, roles))
			return c.disconnectRoles(ctx, key, surplus)
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
			roles, err := c.rolesNamed(ctx, r.Roles)
			if err != nil {
				return err
			}
			if err := c.replaceRoles(ctx, key, roles); err != nil {
				return err
			}
			return c.requireFewPermissions(ctx, key.ID, len(r.Roles))
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
		if err := c.requireStrict(row, latchkey.WhenStrictRoles); err != nil {
			return nil, err
		}
		c.invalidate(keyID)
		if err := work(ctx, c, keyTarget(&row.Key)); err != nil {
			return nil, err
		}
		return c.rolesOfKey(ctx, keyID)
	})
}

// rolesOfKey returns the roles of a key by name, each with its permissions. If these are
// more than a key can be given, which happens when roles get more later, they are left out:
// a hundred roles can have a hundred thousand.
func (c *Change) rolesOfKey(ctx context.Context, keyID string) ([]latchkey.Role, error) {
	n, err := c.tx.CountPermissionsByRoles(ctx, keyID, maxHeld+1)
	if err != nil {
		return nil, fmt.Errorf("permissions of the roles: %w", err)
	}
	if n > maxHeld {
		return c.heldRoles(ctx, keyID)
	}
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

// maxRoles is how many roles a key can have, as many as one request can name.
const maxRoles = 100

// connectRoles gives a key those of the roles that it doesn't have.
func (c *Change) connectRoles(
	ctx context.Context, key latchkey.AuditTarget, held, wanted []latchkey.Role,
) error {
	missing := withoutRoles(wanted, held)
	_, wildcards, err := c.tx.CountGranted(ctx, roleIDs(missing))
	if err != nil {
		return fmt.Errorf("permissions of the roles: %w", err)
	}
	if wildcards > 0 {
		if err := c.requireWildcard(); err != nil {
			return err
		}
	}
	if len(held)+len(missing) > maxRoles {
		return invalid(latchkey.Fault{
			Location: "/properties/roles",
			Message: fmt.Sprintf("a key can have %d roles, and this one would have %d",
				maxRoles, len(held)+len(missing)),
			Fix: "Remove some of its roles first, or use one role that has the permissions of several.",
		})
	}
	c.auditAll(keyRoleConnected, targets(missing, roleTarget), key)
	if err := c.tx.InsertKeyRoles(ctx, key.ID, roleIDs(missing)); err != nil {
		return fmt.Errorf("roles of the key: %w", err)
	}
	return nil
}

// disconnectRoles takes roles from a key that has them.
func (c *Change) disconnectRoles(
	ctx context.Context, key latchkey.AuditTarget, roles []latchkey.Role,
) error {
	c.auditAll(keyRoleDisconnected, targets(roles, roleTarget), key)
	if err := c.tx.DeleteKeyRolesOf(ctx, key.ID, roleIDs(roles)); err != nil {
		return fmt.Errorf("roles of the key: %w", err)
	}
	return nil
}

func roleIDs(roles []latchkey.Role) []string {
	ids := make([]string, len(roles))
	for i, role := range roles {
		ids[i] = role.ID
	}
	return ids
}

// replaceRoles replaces the roles of the key.
func (c *Change) replaceRoles(
	ctx context.Context, key latchkey.AuditTarget, wanted []latchkey.Role,
) error {
	held, err := c.heldRoles(ctx, key.ID)
	if err != nil {
		return err
	}
	surplus := withoutRoles(held, wanted)
	if err := c.disconnectRoles(ctx, key, surplus); err != nil {
		return err
	}
	return c.connectRoles(ctx, key, withoutRoles(held, surplus), wanted)
}

// heldRoles returns the roles of a key without their permissions.
func (c *Change) heldRoles(ctx context.Context, keyID string) ([]latchkey.Role, error) {
	rows, err := c.tx.KeyRoles(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("roles of the key: %w", err)
	}
	roles := make([]latchkey.Role, len(rows))
	for i, row := range rows {
		roles[i] = roleWith(row, nil)
	}
	return roles, nil
}

// withoutRoles returns the roles of a that are not in b.
func withoutRoles(a, b []latchkey.Role) []latchkey.Role {
	return slices.DeleteFunc(slices.Clone(a), func(r latchkey.Role) bool {
		return slices.ContainsFunc(b, func(other latchkey.Role) bool { return other.ID == r.ID })
	})
}

// targets returns the audit targets of the objects.
func targets[T any](things []T, name func(T) latchkey.AuditTarget) []latchkey.AuditTarget {
	named := make([]latchkey.AuditTarget, len(things))
	for i, thing := range things {
		named[i] = name(thing)
	}
	return named
}
