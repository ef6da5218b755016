package latchkey

import (
	"context"
	"iter"
)

// Role is a named set of permissions.
type Role struct {
	// ID identifies the role.
	ID string `json:"id" check:"required"`
	// Name identifies the role for keys, unique in the workspace, ignoring case.
	Name string `json:"name" check:"required"`
	// Description is a text for people; absent when there is none.
	Description string `json:"description,omitempty"`
	// Permissions are what the role grants; absent if it grants nothing.
	Permissions []Permission `json:"permissions,omitempty"`
}

// CreateRoleRequest asks for a new role.
type CreateRoleRequest struct {
	// Name identifies the role for keys, unique in the workspace, ignoring case.
	Name string `json:"name" check:"required,min=1,max=128"`
	// Description is a text for people.
	Description string `json:"description,omitempty" check:"max=512"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// CreatedRole is the response to [CreateRoleRequest].
type CreatedRole struct {
	// RoleID identifies the new role.
	RoleID string `json:"roleId" check:"required,min=3,max=255,pattern=id"`
}

// GetRoleRequest asks for one role.
type GetRoleRequest struct {
	// Role is the role's id or name.
	Role string `json:"role" check:"required,min=1,max=128"`
}

// UpdateRoleRequest changes a role. Absent fields stay as they are.
type UpdateRoleRequest struct {
	// Role is the role's id or name.
	Role string `json:"role" check:"required,min=1,max=128"`
	// Name identifies the role for keys, unique in the workspace, ignoring case. Keys keep the role.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=128"`
	// Description is a text for people; null removes it.
	Description Opt[string] `json:"description,omitzero" check:"null,max=512"`
}

// DeleteRoleRequest asks to delete a role and remove it from every key.
type DeleteRoleRequest struct {
	// Role is the role's id or name.
	Role string `json:"role" check:"required,min=1,max=128"`
}

// ListRolesRequest asks for one page of the roles of the workspace.
type ListRolesRequest struct {
	// Limit is the largest number of roles in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the roles whose id, name or description contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// SetRolePermissionsRequest replaces what a role grants.
type SetRolePermissionsRequest struct {
	// Role is the role's id or name.
	Role string `json:"role,omitempty" check:"min=1,max=128"`
	// RoleID is the older name of Role, which older clients send instead of it.
	RoleID string `json:"roleId,omitempty" check:"min=1,max=128"`
	// Permissions are slugs, the complete set; those that don't exist are created. An empty
	// list removes all.
	Permissions []string `json:"permissions" check:"required,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// CreateRole creates a new role.
func (s Permissions) CreateRole(
	ctx context.Context, r CreateRoleRequest, opts ...CallOption,
) (CreatedRole, error) {
	return call[CreatedRole](ctx, s.c, "permissions.createRole", &r, opts)
}

// GetRole reads one role.
func (s Permissions) GetRole(
	ctx context.Context, r GetRoleRequest, opts ...CallOption,
) (Role, error) {
	return call[Role](ctx, s.c, "permissions.getRole", &r, opts)
}

// ListRoles reads one page of the roles of the workspace.
func (s Permissions) ListRoles(
	ctx context.Context, r ListRolesRequest, opts ...CallOption,
) (Page[Role], error) {
	return list[Role](ctx, s.c, "permissions.listRoles", &r, opts)
}

// AllRoles iterates over the roles of the workspace, page after page.
func (s Permissions) AllRoles(
	ctx context.Context, r ListRolesRequest, opts ...CallOption,
) iter.Seq2[Role, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Role], error) {
		next := r
		next.Cursor = cursor
		return s.ListRoles(ctx, next, opts...)
	})
}

// UpdateRole changes a role and returns it with its permissions.
func (s Permissions) UpdateRole(
	ctx context.Context, r UpdateRoleRequest, opts ...CallOption,
) (Role, error) {
	return call[Role](ctx, s.c, "permissions.updateRole", &r, opts)
}

// DeleteRole deletes a role and removes it from every key.
func (s Permissions) DeleteRole(
	ctx context.Context, r DeleteRoleRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "permissions.deleteRole", &r, opts)
}

// SetRolePermissions replaces what a role grants and returns the new set, sorted by slug.
func (s Permissions) SetRolePermissions(
	ctx context.Context, r SetRolePermissionsRequest, opts ...CallOption,
) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "permissions.setRolePermissions", &r, opts)
}
