package latchkey

import (
	"context"
	"iter"
)

// Permission is something a key may be allowed to do.
type Permission struct {
	// ID is Latchkey's name for the permission.
	ID string `json:"id" check:"required,min=3,max=255,pattern=id"`
	// Name is for people.
	Name string `json:"name" check:"required,min=1,max=512"`
	// Slug is what keys hold and verification asks for, for example "documents.read".
	Slug string `json:"slug" check:"required,min=1,max=512,pattern=slug"`
	// Description is for people; absent when there is none.
	Description string `json:"description,omitempty" check:"max=512"`
}

// Role is a named set of permissions.
type Role struct {
	// ID is Latchkey's name for the role.
	ID string `json:"id" check:"required"`
	// Name is what keys are given, unique in the workspace in any letter case.
	Name string `json:"name" check:"required"`
	// Description is for people; absent when there is none.
	Description string `json:"description,omitempty"`
	// Permissions are what the role grants; absent when it grants nothing.
	Permissions []Permission `json:"permissions,omitempty"`
}

// CreatePermissionRequest asks for a new permission.
type CreatePermissionRequest struct {
	// Name is for people.
	Name string `json:"name" check:"required,min=1,max=512"`
	// Slug is what keys hold, unique in the workspace in any letter case.
	Slug string `json:"slug" check:"required,min=1,max=128,pattern=slug"`
	// Description is for people.
	Description string `json:"description,omitempty" check:"max=512"`
}

// CreatedPermission is the answer to [CreatePermissionRequest].
type CreatedPermission struct {
	// PermissionID names the new permission.
	PermissionID string `json:"permissionId" check:"required,min=3,max=255,pattern=id"`
}

// GetPermissionRequest asks for one permission.
type GetPermissionRequest struct {
	// Permission is the permission's id or slug.
	Permission string `json:"permission" check:"required,min=1,max=128,pattern=slug"`
}

// UpdatePermissionRequest changes a permission. Absent fields stay as they are.
type UpdatePermissionRequest struct {
	// Permission is the permission's id or slug.
	Permission string `json:"permission" check:"required,min=1,max=128,pattern=slug"`
	// Name is for people.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=512"`
	// Slug is what keys hold, unique in the workspace in any letter case. Keys and roles keep the permission.
	Slug Opt[string] `json:"slug,omitzero" check:"min=1,max=128,pattern=slug"`
	// Description is for people; null removes it.
	Description Opt[string] `json:"description,omitzero" check:"null,max=512"`
}

// DeletePermissionRequest asks to delete a permission and take it from every key and role.
type DeletePermissionRequest struct {
	// Permission is the permission's id or slug.
	Permission string `json:"permission" check:"required,min=1,max=128,pattern=slug"`
}

// ListPermissionsRequest asks for the permissions of the workspace, page by page.
type ListPermissionsRequest struct {
	// Limit is how many permissions a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the permissions whose id, name, slug or description contains this text, in any letter case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// CreateRoleRequest asks for a new role.
type CreateRoleRequest struct {
	// Name is what keys are given, unique in the workspace in any letter case.
	Name string `json:"name" check:"required,min=1,max=128"`
	// Description is for people.
	Description string `json:"description,omitempty" check:"max=512"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions,omitempty" check:"items.min=1,items.max=128,items.pattern=slug"`
}

// CreatedRole is the answer to [CreateRoleRequest].
type CreatedRole struct {
	// RoleID names the new role.
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
	// Name is what keys are given, unique in the workspace in any letter case. Keys keep the role.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=128"`
	// Description is for people; null removes it.
	Description Opt[string] `json:"description,omitzero" check:"null,max=512"`
}

// DeleteRoleRequest asks to delete a role and take it from every key.
type DeleteRoleRequest struct {
	// Role is the role's id or name.
	Role string `json:"role" check:"required,min=1,max=128"`
}

// ListRolesRequest asks for the roles of the workspace, page by page.
type ListRolesRequest struct {
	// Limit is how many roles a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the roles whose id, name or description contains this text, in any letter case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// SetRolePermissionsRequest replaces what a role grants.
type SetRolePermissionsRequest struct {
	// RoleID is the role's id; its name is not accepted here.
	RoleID string `json:"roleId" check:"required,min=3,max=255,pattern=resource"`
	// Permissions are slugs, the complete set; those that don't exist are created.
	Permissions []string `json:"permissions" check:"required,items.min=1,items.max=128,items.pattern=slug"`
}

// Permissions are the operations on permissions and roles.
type Permissions struct{ c *Client }

// Create makes a new permission.
func (s Permissions) Create(ctx context.Context, r CreatePermissionRequest, opts ...CallOption) (CreatedPermission, error) {
	return call[CreatedPermission](ctx, s.c, "permissions.createPermission", &r, opts)
}

// Get reads one permission.
func (s Permissions) Get(ctx context.Context, r GetPermissionRequest, opts ...CallOption) (Permission, error) {
	return call[Permission](ctx, s.c, "permissions.getPermission", &r, opts)
}

// List reads one page of the permissions of the workspace.
func (s Permissions) List(ctx context.Context, r ListPermissionsRequest, opts ...CallOption) (Page[Permission], error) {
	return list[Permission](ctx, s.c, "permissions.listPermissions", &r, opts)
}

// All walks the permissions of the workspace, page after page.
func (s Permissions) All(ctx context.Context, r ListPermissionsRequest, opts ...CallOption) iter.Seq2[Permission, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Permission], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes a permission and returns it.
func (s Permissions) Update(ctx context.Context, r UpdatePermissionRequest, opts ...CallOption) (Permission, error) {
	return call[Permission](ctx, s.c, "permissions.updatePermission", &r, opts)
}

// Delete deletes a permission and takes it from every key and role.
func (s Permissions) Delete(ctx context.Context, r DeletePermissionRequest, opts ...CallOption) error {
	return do(ctx, s.c, "permissions.deletePermission", &r, opts)
}

// CreateRole makes a new role.
func (s Permissions) CreateRole(ctx context.Context, r CreateRoleRequest, opts ...CallOption) (CreatedRole, error) {
	return call[CreatedRole](ctx, s.c, "permissions.createRole", &r, opts)
}

// GetRole reads one role.
func (s Permissions) GetRole(ctx context.Context, r GetRoleRequest, opts ...CallOption) (Role, error) {
	return call[Role](ctx, s.c, "permissions.getRole", &r, opts)
}

// ListRoles reads one page of the roles of the workspace.
func (s Permissions) ListRoles(ctx context.Context, r ListRolesRequest, opts ...CallOption) (Page[Role], error) {
	return list[Role](ctx, s.c, "permissions.listRoles", &r, opts)
}

// AllRoles walks the roles of the workspace, page after page.
func (s Permissions) AllRoles(ctx context.Context, r ListRolesRequest, opts ...CallOption) iter.Seq2[Role, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Role], error) {
		next := r
		next.Cursor = cursor
		return s.ListRoles(ctx, next, opts...)
	})
}

// UpdateRole changes a role and returns it with its permissions.
func (s Permissions) UpdateRole(ctx context.Context, r UpdateRoleRequest, opts ...CallOption) (Role, error) {
	return call[Role](ctx, s.c, "permissions.updateRole", &r, opts)
}

// DeleteRole deletes a role and takes it from every key.
func (s Permissions) DeleteRole(ctx context.Context, r DeleteRoleRequest, opts ...CallOption) error {
	return do(ctx, s.c, "permissions.deleteRole", &r, opts)
}

// SetRolePermissions replaces what a role grants and returns the new set, sorted by slug.
func (s Permissions) SetRolePermissions(ctx context.Context, r SetRolePermissionsRequest, opts ...CallOption) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "permissions.setRolePermissions", &r, opts)
}
