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
