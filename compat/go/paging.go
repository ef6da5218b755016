package main

import (
	"fmt"

	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/models/operations"
)

// Seven items in pages of three make three pages. The last one is not full.
var (
	pagedItems = 7
	pageSize   = int64(3)
)

// paging reads every list to its end with the SDK's paginator.
func (s *suite) paging() {
	api, namespace, mark := s.newAPI(), unique("namespace"), unique("paged")
	s.limit(limitRequest(namespace, "anybody", 0))
	var names, keys []string
	for i := range pagedItems {
		name := fmt.Sprintf("%s_%d", mark, i)
		names = append(names, name)
		keys = append(keys, s.makeOneOfEach(api, namespace, name))
	}

	apiKeys, err := s.un.Apis.ListKeys(s.ctx,
		components.V2ApisListKeysRequestBody{APIID: api, Limit: &pageSize})
	walk(s, "listKeys", apiKeys, err, keys,
		func(r *operations.ApisListKeysResponse) (ids []string,
			_ next[operations.ApisListKeysResponse]) {
			for _, key := range r.V2ApisListKeysResponseBody.Data {
				ids = append(ids, key.KeyID)
			}
			return ids, r.Next
		})
	identities, err := s.un.Identities.ListIdentities(s.ctx,
		components.V2IdentitiesListIdentitiesRequestBody{Limit: &pageSize, Search: &mark})
	walk(s, "listIdentities", identities, err, names,
		func(r *operations.IdentitiesListIdentitiesResponse) (ids []string,
			_ next[operations.IdentitiesListIdentitiesResponse]) {
			for _, identity := range r.V2IdentitiesListIdentitiesResponseBody.Data {
				ids = append(ids, identity.ExternalID)
			}
			return ids, r.Next
		})
	permissions, err := s.un.Permissions.ListPermissions(s.ctx,
		components.V2PermissionsListPermissionsRequestBody{Limit: &pageSize, Search: &mark})
	walk(s, "listPermissions", permissions, err, names,
		func(r *operations.PermissionsListPermissionsResponse) (ids []string,
			_ next[operations.PermissionsListPermissionsResponse]) {
			for _, permission := range r.V2PermissionsListPermissionsResponseBody.Data {
				ids = append(ids, permission.Slug)
			}
			return ids, r.Next
		})
	roles, err := s.un.Permissions.ListRoles(s.ctx,
		components.V2PermissionsListRolesRequestBody{Limit: &pageSize, Search: &mark})
	walk(s, "listRoles", roles, err, names,
		func(r *operations.PermissionsListRolesResponse) (ids []string,
			_ next[operations.PermissionsListRolesResponse]) {
			for _, role := range r.V2PermissionsListRolesResponseBody.Data {
				ids = append(ids, role.Name)
			}
			return ids, r.Next
		})
	overrides, err := s.un.Ratelimit.ListOverrides(s.ctx,
		components.V2RatelimitListOverridesRequestBody{Namespace: namespace, Limit: &pageSize})
	walk(s, "listOverrides", overrides, err, names,
		func(r *operations.RatelimitListOverridesResponse) (ids []string,
			_ next[operations.RatelimitListOverridesResponse]) {
			for _, override := range r.V2RatelimitListOverridesResponseBody.Data {
				ids = append(ids, override.Identifier)
			}
			return ids, r.Next
		})
}

// makeOneOfEach creates one object of each kind that has a list, with the given name. A key has
// no name here; its id is returned.
func (s *suite) makeOneOfEach(api, namespace, name string) string {
	must(s.un.Identities.CreateIdentity(s.ctx,
		components.V2IdentitiesCreateIdentityRequestBody{ExternalID: name}))
	must(s.un.Permissions.CreatePermission(s.ctx,
		components.V2PermissionsCreatePermissionRequestBody{Name: "Paged", Slug: name}))
	must(s.un.Permissions.CreateRole(s.ctx,
		components.V2PermissionsCreateRoleRequestBody{Name: name}))
	must(s.un.Ratelimit.SetOverride(s.ctx, components.V2RatelimitSetOverrideRequestBody{
		Namespace: namespace, Identifier: name, Limit: 1, Duration: day}))
	return s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api}).KeyID
}

// next returns the next page, or nil after the last one.
type next[Page any] func() (*Page, error)

// walk reads a list from its first page to its end, and checks that it has three pages and
// every item once.
func walk[Page any](s *suite, what string, page *Page, err error, want []string,
	read func(*Page) ([]string, next[Page])) {
	var got []string
	pages := 0
	for ; page != nil && err == nil; pages++ {
		ids, following := read(page)
		got = append(got, ids...)
		page, err = following()
	}
	s.same(what+" ends without an error", err, nil)
	s.same(what+" has every item once", got, want, anyOrder)
	s.same(what+", pages", pages, 3)
}
