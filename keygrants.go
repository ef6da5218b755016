package latchkey

import "context"

// AddPermissionsRequest adds permissions to a key.
type AddPermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs; those that don't exist are created.
	Permissions []string `json:"permissions" check:"required,min=1,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// RemovePermissionsRequest removes direct permissions of a key.
type RemovePermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs that exist. Those that the key doesn't hold are ignored.
	Permissions []string `json:"permissions" check:"required,min=1,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// SetPermissionsRequest replaces the direct permissions of a key.
type SetPermissionsRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Permissions are slugs, the complete set; those that don't exist are created. An empty
	// list removes all.
	Permissions []string `json:"permissions" check:"required,max=1000,items.min=1,items.max=128,items.pattern=slug"`
}

// AddRolesRequest adds roles to a key.
type AddRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist.
	Roles []string `json:"roles" check:"required,min=1,max=100,items.min=1,items.max=128"`
}

// RemoveRolesRequest removes roles of a key.
type RemoveRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist. Those that the key doesn't have are ignored.
	Roles []string `json:"roles" check:"required,min=1,max=100,items.min=1,items.max=128"`
}

// SetRolesRequest replaces the roles of a key.
type SetRolesRequest struct {
	// KeyID is the key to change.
	KeyID string `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	// Roles are names of roles that exist, the complete set. An empty list removes all.
	Roles []string `json:"roles" check:"required,max=100,items.min=1,items.max=128"`
}

// AddPermissions adds permissions to a key and returns all its direct ones.
func (s Keys) AddPermissions(
	ctx context.Context, r AddPermissionsRequest, opts ...CallOption,
) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.addPermissions", &r, opts)
}

// RemovePermissions removes direct permissions of a key and returns the rest.
func (s Keys) RemovePermissions(
	ctx context.Context, r RemovePermissionsRequest, opts ...CallOption,
) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.removePermissions", &r, opts)
}

// SetPermissions replaces the direct permissions of a key and returns them.
func (s Keys) SetPermissions(
	ctx context.Context, r SetPermissionsRequest, opts ...CallOption,
) ([]Permission, error) {
	return call[[]Permission](ctx, s.c, "keys.setPermissions", &r, opts)
}

// AddRoles adds roles to a key and returns all its roles.
func (s Keys) AddRoles(ctx context.Context, r AddRolesRequest, opts ...CallOption) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.addRoles", &r, opts)
}

// RemoveRoles removes roles of a key and returns the rest.
func (s Keys) RemoveRoles(
	ctx context.Context, r RemoveRolesRequest, opts ...CallOption,
) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.removeRoles", &r, opts)
}

// SetRoles replaces the roles of a key and returns them.
func (s Keys) SetRoles(ctx context.Context, r SetRolesRequest, opts ...CallOption) ([]Role, error) {
	return call[[]Role](ctx, s.c, "keys.setRoles", &r, opts)
}
