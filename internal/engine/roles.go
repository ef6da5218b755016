package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CreateRole creates a role, which grants its permissions to every key that has
// the role. Permissions are given by slug; slugs that don't exist are created,
// with the slug as the name. A slug that repeats, in any letter case, counts
// once. Either all of it is applied or nothing. Only permissions that don't exist,
// if they are more than 50, are created before, and stay if the request then fails.
//
// The root key needs rbac.*.create_role, with permissions also
// rbac.*.add_permission_to_role, and with new slugs also
// rbac.*.create_permission. A name that already exists, in any letter case,
// returns 409.
func (e *Engine) CreateRole(
	ctx context.Context, who Caller, r *latchkey.CreateRoleRequest,
) (latchkey.CreatedRole, error) {
	if len(r.Permissions) > 0 {
		if err := who.requireWhen(latchkey.WhenPermissions, everything); err != nil {
			return latchkey.CreatedRole{}, err
		}
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedRole, error) {
		role := latchkey.Role{ID: NewID("role"), Name: r.Name, Description: r.Description}
		if err := c.requireFreeName(ctx, role); err != nil {
			return latchkey.CreatedRole{}, err
		}
		wanted, err := c.permissionsFor(ctx, r.Permissions)
		if err != nil {
			return latchkey.CreatedRole{}, err
		}
		if err := c.insertRole(ctx, role); err != nil {
			return latchkey.CreatedRole{}, err
		}
		if err := c.connect(ctx, role, wanted); err != nil {
			return latchkey.CreatedRole{}, err
		}
		return latchkey.CreatedRole{RoleID: role.ID}, nil
	})
}

// GetRole returns a role with its permissions, by its id or by its name in any
// letter case.
//
// The root key needs rbac.*.read_role. An unknown role returns 404.
func (e *Engine) GetRole(
	ctx context.Context, who Caller, r *latchkey.GetRoleRequest,
) (latchkey.Role, error) {
	row, err := e.db.Role(ctx, who.WorkspaceID(), r.Role, foldName(r.Role))
	if err != nil {
		return latchkey.Role{}, orNotFound(err, roleNotFound(r.Role))
	}
	granted, err := e.db.RolePermissions(ctx, row.ID)
	if err != nil {
		return latchkey.Role{}, err
	}
	return roleWith(row, storedPermissions(granted)), nil
}

// ListRoles returns the roles of the workspace with their permissions in the
// order of their ids, page by page. A search returns the roles whose id, name
// or description contains the text, in any letter case.
//
// The root key needs rbac.*.read_role.
func (e *Engine) ListRoles(
	ctx context.Context, who Caller, r *latchkey.ListRolesRequest,
) (latchkey.Page[latchkey.Role], error) {
	pattern := searchPattern(r.Search)
	return pageOf(r.Cursor, pageSize(r.Limit, 100), func(row read.Role) string { return row.ID },
		func(cursor string, most int64) ([]read.Role, error) {
			return e.db.RolesPage(ctx, read.RolesPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor, Pattern: pattern, Most: most,
			})
		},
		func(rows []read.Role) ([]latchkey.Role, error) {
			granted, err := e.grantedBy(ctx, who, rows, pattern)
			if err != nil {
				return nil, err
			}
			with := func(row read.Role) latchkey.Role { return roleWith(row, granted[row.ID]) }
			return each(with)(rows)
		})
}

// grantedBy returns the permissions of a page of roles, by role. Pattern is the
// search pattern that selected the page.
func (e *Engine) grantedBy(
	ctx context.Context, who Caller, page []read.Role, pattern string,
) (map[string][]latchkey.Permission, error) {
	if len(page) == 0 {
		return nil, nil
	}
	rows, err := e.db.PermissionsOfRoles(ctx, read.PermissionsOfRolesParams{
		WorkspaceID: who.WorkspaceID(), FromID: page[0].ID, ToID: page[len(page)-1].ID,
		Pattern: pattern,
	})
	if err != nil {
		return nil, err
	}
	granted := make(map[string][]latchkey.Permission)
	for _, row := range rows {
		granted[row.RoleID] = append(granted[row.RoleID], storedPermission(row.Permission))
	}
	return granted, nil
}

// UpdateRole changes the name or the description of a role and returns it with
// its permissions. Absent fields keep their values; a description of null is
// removed. Keys keep the role under its new name.
//
// The root key needs rbac.*.update_role. An unknown role returns 404. A name of
// another role, in any letter case, returns 409.
func (e *Engine) UpdateRole(
	ctx context.Context, who Caller, r *latchkey.UpdateRoleRequest,
) (latchkey.Role, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Role, error) {
		row, err := c.tx.Role(ctx, who.WorkspaceID(), r.Role, foldName(r.Role))
		if err != nil {
			return latchkey.Role{}, orNotFound(err, roleNotFound(r.Role))
		}
		before := roleWith(row, nil)
		row.Name = r.Name.Or(row.Name)
		if !r.Description.IsZero() {
			row.Description = r.Description.Or("")
		}
		granted, err := c.tx.RolePermissions(ctx, row.ID)
		if err != nil {
			return latchkey.Role{}, err
		}
		role := roleWith(row, storedPermissions(granted))
		if err := c.requireFreeName(ctx, role); err != nil {
			return latchkey.Role{}, err
		}
		c.invalidate(role.ID)
		c.auditUpdate(roleUpdated, before, roleWith(row, nil), roleTarget(role))
		err = c.tx.UpdateRole(ctx, write.UpdateRoleParams{
			ID: role.ID, Name: role.Name, NameFolded: foldName(role.Name),
			Description: role.Description,
			Search:      searchText(role.ID, role.Name, role.Description),
		})
		if err != nil {
			return latchkey.Role{}, err
		}
		return role, nil
	})
}

// DeleteRole deletes a role and removes it, with the permissions it grants,
// from every key at once. The permissions themselves stay.
//
// The root key needs rbac.*.delete_role. An unknown role returns 404.
func (e *Engine) DeleteRole(ctx context.Context, who Caller, r *latchkey.DeleteRoleRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.Role(ctx, who.WorkspaceID(), r.Role, foldName(r.Role))
		if err != nil {
			return orNotFound(err, roleNotFound(r.Role))
		}
		c.invalidate(row.ID)
		n, err := c.tx.TakeRoleFromKeys(ctx, row.ID, maxRows)
		if err != nil {
			return fmt.Errorf("keys with the role: %w", err)
		}
		if n == maxRows {
			return new(part)
		}
		c.audit(roleDeleted, roleTarget(roleWith(row, nil)))
		if err := c.tx.ClearRole(ctx, row.ID); err != nil {
			return err
		}
		if err := c.count(ctx, quotaRoles, -1); err != nil {
			return err
		}
		return c.tx.DeleteRole(ctx, row.ID)
	})
}

// SetRolePermissions replaces the permissions of a role and returns them,
// sorted by slug. Permissions are given by slug; slugs that don't exist are
// created, with the slug as the name. An empty list removes all. The request
// has either role or its older name roleId, each with the role's id or name.
// Keys that have the role gain and lose the permissions at once; permissions
// that they have directly stay.
//
// The root key needs rbac.*.add_permission_to_role and
// rbac.*.remove_permission_from_role, and with new slugs also
// rbac.*.create_permission. An unknown role returns 404.
func (e *Engine) SetRolePermissions(
	ctx context.Context, who Caller, r *latchkey.SetRolePermissionsRequest,
) ([]latchkey.Permission, error) {
	if (r.Role == "") == (r.RoleID == "") {
		return nil, invalid(latchkey.Fault{
			Location: "/oneOf", Message: "the request must have either role or roleId",
			Fix: "send role with the id or the name of the role",
		})
	}
	called := r.Role + r.RoleID
	return change(ctx, e, who, func(ctx context.Context, c *Change) ([]latchkey.Permission, error) {
		row, err := c.tx.Role(ctx, who.WorkspaceID(), called, foldName(called))
		if err != nil {
			return nil, orNotFound(err, roleNotFound(called))
		}
		wanted, err := c.permissionsFor(ctx, r.Permissions)
		if err != nil {
			return nil, err
		}
		if err := c.setRole(ctx, roleWith(row, nil), wanted); err != nil {
			return nil, err
		}
		return wanted, nil
	})
}

// setRole replaces the permissions of a role.
func (c *Change) setRole(
	ctx context.Context, role latchkey.Role, wanted []latchkey.Permission,
) error {
	rows, err := c.tx.RolePermissions(ctx, role.ID)
	if err != nil {
		return err
	}
	had := storedPermissions(rows)
	c.invalidate(role.ID)
	if err := c.disconnect(ctx, role, without(had, wanted)); err != nil {
		return err
	}
	return c.connect(ctx, role, without(wanted, had))
}

// connect grants permissions to a role.
func (c *Change) connect(
	ctx context.Context, role latchkey.Role, permissions []latchkey.Permission,
) error {
	c.auditAll(rolePermissionConnected, targets(permissions, permissionTarget), roleTarget(role))
	return c.tx.InsertRolePermissions(ctx, role.ID, idsOf(permissions))
}

// disconnect revokes permissions from a role.
func (c *Change) disconnect(
	ctx context.Context, role latchkey.Role, permissions []latchkey.Permission,
) error {
	c.auditAll(rolePermissionDisconnected, targets(permissions, permissionTarget), roleTarget(role))
	return c.tx.DeleteRolePermissionsOf(ctx, role.ID, idsOf(permissions))
}

func idsOf(permissions []latchkey.Permission) []string {
	ids := make([]string, len(permissions))
	for i, p := range permissions {
		ids[i] = p.ID
	}
	return ids
}

// without returns the permissions of a that are not in b.
func without(a, b []latchkey.Permission) []latchkey.Permission {
	ids := make(map[string]bool, len(b))
	for _, p := range b {
		ids[p.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(p latchkey.Permission) bool { return ids[p.ID] })
}

// rolesNamed returns the roles with these names, without their permissions, in name
// order. Names that differ only in letter case are one. All must exist.
func (c *Change) rolesNamed(ctx context.Context, names []string) ([]latchkey.Role, error) {
	return c.roles(ctx, names, func(name string) (latchkey.Role, error) {
		return latchkey.Role{}, roleNotFound(name)
	})
}

// rolesExactly is rolesNamed, but a name in another letter case names no role.
func (c *Change) rolesExactly(ctx context.Context, names []string) ([]latchkey.Role, error) {
	roles, err := c.rolesNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		named := func(r latchkey.Role) bool { return r.Name == name }
		if !slices.ContainsFunc(roles, named) {
			return nil, roleNotFound(name)
		}
	}
	return roles, nil
}

// rolesFor is rolesNamed, but creates the roles that don't exist.
func (c *Change) rolesFor(ctx context.Context, names []string) ([]latchkey.Role, error) {
	return c.roles(ctx, names, func(name string) (latchkey.Role, error) {
		role := latchkey.Role{ID: NewID("role"), Name: name}
		if err := c.insertRole(ctx, role); err != nil {
			return latchkey.Role{}, err
		}
		return role, nil
	})
}

// roles looks up each name once and calls absent with those that don't exist.
func (c *Change) roles(
	ctx context.Context, names []string, absent func(name string) (latchkey.Role, error),
) ([]latchkey.Role, error) {
	wanted := maps.Collect(distinct(names, foldName))
	found, err := c.tx.RolesByName(ctx, c.who.WorkspaceID(), slices.Sorted(maps.Keys(wanted)))
	if err != nil {
		return nil, err
	}
	roles := make([]latchkey.Role, 0, len(wanted))
	for folded, name := range distinct(names, foldName) {
		if row, exists := found[folded]; exists {
			roles = append(roles, roleWith(row, nil))
			continue
		}
		role, err := absent(name)
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	slices.SortFunc(roles, func(a, b latchkey.Role) int { return strings.Compare(a.Name, b.Name) })
	return roles, nil
}

func (c *Change) insertRole(ctx context.Context, role latchkey.Role) error {
	if err := c.count(ctx, quotaRoles, 1); err != nil {
		return err
	}
	c.audit(roleCreated, roleTarget(role))
	return c.tx.InsertRole(ctx, write.InsertRoleParams{
		ID: role.ID, WorkspaceID: c.who.WorkspaceID(), Name: role.Name,
		NameFolded:  foldName(role.Name),
		Description: role.Description, Search: searchText(role.ID, role.Name, role.Description),
	})
}

// foldName returns the form in which names of roles are compared: letter case
// does not count, accents do, and an accent is the same whether it is written
// as part of its letter or after it (Unicode, canonical caseless matching, D145).
func foldName(name string) string {
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(name)))
}

func roleWith(row read.Role, granted []latchkey.Permission) latchkey.Role {
	return latchkey.Role{
		ID: row.ID, Name: row.Name, Description: row.Description, Permissions: granted,
	}
}

// storedPermissions returns nil for no rows, so that a response omits the field.
func storedPermissions(rows []read.Permission) []latchkey.Permission {
	var permissions []latchkey.Permission
	for _, row := range rows {
		permissions = append(permissions, storedPermission(row))
	}
	return permissions
}

func roleTarget(role latchkey.Role) latchkey.AuditTarget {
	return target("role", role.ID, role.Name)
}

// requireFreeName returns an error if another role has the name of this one.
func (c *Change) requireFreeName(ctx context.Context, role latchkey.Role) error {
	row, err := c.tx.RoleByName(ctx, c.who.WorkspaceID(), foldName(role.Name))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && row.ID == role.ID:
		return nil
	case err != nil:
		return err
	}
	return roleNameExists(role.Name)
}

func roleNameExists(name string) *latchkey.Error {
	return errRoleExists.with(
		"A role named %q already exists in this workspace; letter case is ignored.", name,
	)
}

func roleNotFound(name string) *latchkey.Error {
	return errRoleNotFound.with("There is no role %q in this workspace.", name)
}
