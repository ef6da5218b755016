package main

import (
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// newRole creates a role and returns its name.
func (s *suite) newRole() string {
	name := unique("role")
	must(s.un.Permissions.CreateRole(s.ctx,
		components.V2PermissionsCreateRoleRequestBody{Name: name}))
	return name
}

// permissions creates, reads and deletes permissions and roles.
func (s *suite) permissions() {
	s.onePermission()
	s.oneRole()
}

func (s *suite) onePermission() {
	slug := unique("documents.read")
	create := components.V2PermissionsCreatePermissionRequestBody{Name: "Read " + slug, Slug: slug,
		Description: unkey.Pointer("May read.")}
	id := must(s.un.Permissions.CreatePermission(s.ctx,
		create)).V2PermissionsCreatePermissionResponseBody.Data.PermissionID
	want := components.Permission{ID: id, Name: create.Name, Slug: slug,
		Description: create.Description}
	for _, by := range []string{id, slug} {
		got := must(s.un.Permissions.GetPermission(s.ctx,
			components.V2PermissionsGetPermissionRequestBody{Permission: by}))
		s.same("the permission by "+by, got.V2PermissionsGetPermissionResponseBody.Data, want)
	}
	list := must(s.un.Permissions.ListPermissions(s.ctx,
		components.V2PermissionsListPermissionsRequestBody{Search: &slug}))
	s.same("the permission found by search", list.V2PermissionsListPermissionsResponseBody.Data,
		[]components.Permission{want})

	_, err := s.un.Permissions.CreatePermission(s.ctx, create)
	s.fails("a slug taken twice", err, conflict)
	must(s.un.Permissions.DeletePermission(s.ctx,
		components.V2PermissionsDeletePermissionRequestBody{Permission: slug}))
	_, err = s.un.Permissions.GetPermission(s.ctx,
		components.V2PermissionsGetPermissionRequestBody{Permission: id})
	s.fails("getPermission of a deleted permission", err, notFound)
}

func (s *suite) oneRole() {
	create := components.V2PermissionsCreateRoleRequestBody{Name: unique("editor"),
		Description: unkey.Pointer("May edit.")}
	id := must(s.un.Permissions.CreateRole(s.ctx,
		create)).V2PermissionsCreateRoleResponseBody.Data.RoleID
	want := components.Role{ID: id, Name: create.Name, Description: create.Description}
	for _, by := range []string{id, create.Name} {
		got := must(s.un.Permissions.GetRole(s.ctx,
			components.V2PermissionsGetRoleRequestBody{Role: by}))
		s.same("the role by "+by, got.V2PermissionsGetRoleResponseBody.Data, want)
	}
	list := must(s.un.Permissions.ListRoles(s.ctx,
		components.V2PermissionsListRolesRequestBody{Search: &create.Name}))
	s.same("the role found by search", list.V2PermissionsListRolesResponseBody.Data,
		[]components.Role{want})

	_, err := s.un.Permissions.CreateRole(s.ctx, create)
	s.fails("a role's name taken twice", err, conflict)
	must(s.un.Permissions.DeleteRole(s.ctx,
		components.V2PermissionsDeleteRoleRequestBody{Role: create.Name}))
	_, err = s.un.Permissions.GetRole(s.ctx, components.V2PermissionsGetRoleRequestBody{Role: id})
	s.fails("getRole of a deleted role", err, notFound)
}
