package latchkey

import (
	"context"
	"iter"
)

// Permission is something that a key can be allowed to do.
type Permission struct {
	// ID identifies the permission.
	ID string `json:"id" check:"required,min=3,max=255,pattern=id"`
	// Name is a display name.
	Name string `json:"name" check:"required,min=1,max=512"`
	// Slug is what keys hold and verification asks for, for example "documents.read".
	Slug string `json:"slug" check:"required,min=1,max=512,pattern=slug"`
	// Description is a text for people; absent if there is none.
	Description string `json:"description,omitempty" check:"max=512"`
}

// CreatePermissionRequest asks for a new permission.
type CreatePermissionRequest struct {
	// Name is a display name.
	Name string `json:"name" check:"required,min=1,max=512"`
	// Slug is what keys hold, unique in the workspace, ignoring case.
	Slug string `json:"slug" check:"required,min=1,max=128,pattern=slug"`
	// Description is a text for people.
	Description string `json:"description,omitempty" check:"max=512"`
}

// CreatedPermission is the response to [CreatePermissionRequest].
type CreatedPermission struct {
	// PermissionID identifies the new permission.
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
	// Name is a display name.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=512"`
	// Slug is what keys hold, unique in the workspace, ignoring case. Keys and roles keep the
	// permission.
	Slug Opt[string] `json:"slug,omitzero" check:"min=1,max=128,pattern=slug"`
	// Description is a text for people; null removes it.
	Description Opt[string] `json:"description,omitzero" check:"null,max=512"`
}

// DeletePermissionRequest asks to delete a permission and remove it from every key and role.
type DeletePermissionRequest struct {
	// Permission is the permission's id or slug.
	Permission string `json:"permission" check:"required,min=1,max=128,pattern=slug"`
}

// ListPermissionsRequest asks for one page of the permissions of the workspace.
type ListPermissionsRequest struct {
	// Limit is the largest number of permissions in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the permissions whose id, name, slug or description contains this text, ignoring
	// case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// Permissions are the operations on permissions and roles.
type Permissions struct{ c *Client }

// Create creates a new permission.
func (s Permissions) Create(
	ctx context.Context, r CreatePermissionRequest, opts ...CallOption,
) (CreatedPermission, error) {
	return call[CreatedPermission](ctx, s.c, "permissions.createPermission", &r, opts)
}

// Get reads one permission.
func (s Permissions) Get(
	ctx context.Context, r GetPermissionRequest, opts ...CallOption,
) (Permission, error) {
	return call[Permission](ctx, s.c, "permissions.getPermission", &r, opts)
}

// List reads one page of the permissions of the workspace.
func (s Permissions) List(
	ctx context.Context, r ListPermissionsRequest, opts ...CallOption,
) (Page[Permission], error) {
	return list[Permission](ctx, s.c, "permissions.listPermissions", &r, opts)
}

// All iterates over the permissions of the workspace, page after page.
func (s Permissions) All(
	ctx context.Context, r ListPermissionsRequest, opts ...CallOption,
) iter.Seq2[Permission, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Permission], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Update changes a permission and returns it.
func (s Permissions) Update(
	ctx context.Context, r UpdatePermissionRequest, opts ...CallOption,
) (Permission, error) {
	return call[Permission](ctx, s.c, "permissions.updatePermission", &r, opts)
}

// Delete deletes a permission and removes it from every key and role.
func (s Permissions) Delete(
	ctx context.Context, r DeletePermissionRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "permissions.deletePermission", &r, opts)
}
