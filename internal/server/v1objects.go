package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

type v1CreateAPI struct {
	Name string `json:"name"`
}

func (v *v1) createAPI(r *v1CreateAPI) (any, error) {
	return ask[latchkey.CreatedAPI](v, "apis.createApi", &latchkey.CreateAPIRequest{Name: r.Name})
}

func (v *v1) getAPI() (any, error) {
	api, err := ask[latchkey.API](v, "apis.getApi",
		&latchkey.GetAPIRequest{APIID: v.query().text("apiId")})
	if err != nil {
		return nil, err
	}
	return struct {
		ID          string `json:"id"`
		WorkspaceID string `json:"workspaceId"`
		Name        string `json:"name"`
	}{api.ID, v.workspace, api.Name}, nil
}

type v1APIID struct {
	APIID string `json:"apiId"`
}

func (v *v1) deleteAPI(r *v1APIID) (any, error) {
	return v.do("apis.deleteApi", &latchkey.DeleteAPIRequest{APIID: r.APIID})
}

// v1Named is a permission or a role, by its id or its name. One that doesn't exist is
// created if the request says so.
type v1Named struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Create bool   `json:"create"`
}

// v1Object is a permission or a role.
type v1Object struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

func v1PermissionOf(p latchkey.Permission) v1Object {
	return v1Object{p.ID, p.Slug, p.Description}
}

func v1RoleOf(r latchkey.Role) v1Object { return v1Object{r.ID, r.Name, r.Description} }

// objects translates a list.
func objects[T any](list []T, err error, translate func(T) v1Object) (any, error) {
	all := []v1Object{}
	for _, item := range list {
		all = append(all, translate(item))
	}
	return all, err
}

// slugs returns the slugs of permissions. Version 2 creates permissions that don't exist, so
// those that must exist are looked up.
func (v *v1) slugs(named []v1Named) ([]string, error) {
	slugs := []string{}
	for _, n := range named {
		if n.ID == "" && n.Create {
			slugs = append(slugs, n.Name)
			continue
		}
		p, err := ask[latchkey.Permission](v, "permissions.getPermission",
			&latchkey.GetPermissionRequest{Permission: cmp.Or(n.ID, n.Name)})
		if err != nil {
			return nil, err
		}
		slugs = append(slugs, p.Slug)
	}
	return slugs, nil
}

// roleNames returns the names of roles, and creates those that don't exist and shall.
func (v *v1) roleNames(named []v1Named) ([]string, error) {
	names := []string{}
	for _, n := range named {
		role, err := ask[latchkey.Role](v, "permissions.getRole",
			&latchkey.GetRoleRequest{Role: cmp.Or(n.ID, n.Name)})
		var e *latchkey.Error
		if n.ID == "" && n.Create && errors.As(err, &e) && e.Status == http.StatusNotFound {
			role.Name = n.Name
			_, err = v.createRole(&v1CreateObject{Name: n.Name})
		}
		if err != nil {
			return nil, err
		}
		names = append(names, role.Name)
	}
	return names, nil
}

type v1KeyPermissions struct {
	KeyID       string    `json:"keyId"`
	Permissions []v1Named `json:"permissions"`
}

func (v *v1) addPermissions(r *v1KeyPermissions) (any, error) {
	slugs, err := v.slugs(r.Permissions)
	if err != nil {
		return nil, err
	}
	all, err := ask[[]latchkey.Permission](v, "keys.addPermissions",
		&latchkey.AddPermissionsRequest{KeyID: r.KeyID, Permissions: slugs})
	return objects(all, err, v1PermissionOf)
}

func (v *v1) setPermissions(r *v1KeyPermissions) (any, error) {
	slugs, err := v.slugs(r.Permissions)
	if err != nil {
		return nil, err
	}
	all, err := ask[[]latchkey.Permission](v, "keys.setPermissions",
		&latchkey.SetPermissionsRequest{KeyID: r.KeyID, Permissions: slugs})
	return objects(all, err, v1PermissionOf)
}

func (v *v1) removePermissions(r *v1KeyPermissions) (any, error) {
	slugs, err := v.slugs(r.Permissions)
	if err != nil {
		return nil, err
	}
	return v.do("keys.removePermissions",
		&latchkey.RemovePermissionsRequest{KeyID: r.KeyID, Permissions: slugs})
}

type v1KeyRoles struct {
	KeyID string    `json:"keyId"`
	Roles []v1Named `json:"roles"`
}

func (v *v1) addRoles(r *v1KeyRoles) (any, error) {
	names, err := v.roleNames(r.Roles)
	if err != nil {
		return nil, err
	}
	all, err := ask[[]latchkey.Role](v, "keys.addRoles",
		&latchkey.AddRolesRequest{KeyID: r.KeyID, Roles: names})
	return objects(all, err, v1RoleOf)
}

func (v *v1) setRoles(r *v1KeyRoles) (any, error) {
	names, err := v.roleNames(r.Roles)
	if err != nil {
		return nil, err
	}
	all, err := ask[[]latchkey.Role](v, "keys.setRoles",
		&latchkey.SetRolesRequest{KeyID: r.KeyID, Roles: names})
	return objects(all, err, v1RoleOf)
}

func (v *v1) removeRoles(r *v1KeyRoles) (any, error) {
	names, err := v.roleNames(r.Roles)
	if err != nil {
		return nil, err
	}
	return v.do("keys.removeRoles", &latchkey.RemoveRolesRequest{KeyID: r.KeyID, Roles: names})
}

type v1CreateObject struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (v *v1) createPermission(r *v1CreateObject) (any, error) {
	return ask[latchkey.CreatedPermission](v, "permissions.createPermission",
		&latchkey.CreatePermissionRequest{
			Name: r.Name, Slug: r.Name, Description: r.Description,
		})
}

func (v *v1) getPermission() (any, error) {
	p, err := ask[latchkey.Permission](v, "permissions.getPermission",
		&latchkey.GetPermissionRequest{Permission: v.query().text("permissionId")})
	return v1PermissionOf(p), err
}

type v1PermissionID struct {
	PermissionID string `json:"permissionId"`
}

func (v *v1) deletePermission(r *v1PermissionID) (any, error) {
	return v.do("permissions.deletePermission",
		&latchkey.DeletePermissionRequest{Permission: r.PermissionID})
}

func (v *v1) createRole(r *v1CreateObject) (any, error) {
	return ask[latchkey.CreatedRole](v, "permissions.createRole",
		&latchkey.CreateRoleRequest{Name: r.Name, Description: r.Description})
}

func (v *v1) getRole() (any, error) {
	r, err := ask[latchkey.Role](v, "permissions.getRole",
		&latchkey.GetRoleRequest{Role: v.query().text("roleId")})
	return v1RoleOf(r), err
}

type v1RoleID struct {
	RoleID string `json:"roleId"`
}

func (v *v1) deleteRole(r *v1RoleID) (any, error) {
	return v.do("permissions.deleteRole", &latchkey.DeleteRoleRequest{Role: r.RoleID})
}

// v1Pages bounds the pages of a list that version 1 returns at once.
const v1Pages = 10

// everyPage returns the items of a list, as many as v1Pages have.
func everyPage[Item any](v *v1, operation string, request func(cursor string) any) ([]Item, error) {
	var all []Item
	cursor := ""
	for range v1Pages {
		response, err := v.askPage(operation, request(cursor))
		if err != nil {
			return nil, err
		}
		all = append(all, response.Data.([]Item)...)
		if !response.Pagination.HasMore {
			break
		}
		cursor = response.Pagination.Cursor
	}
	return all, nil
}

func (v *v1) listPermissions() (any, error) {
	all, err := everyPage[latchkey.Permission](v, "permissions.listPermissions",
		func(cursor string) any { return &latchkey.ListPermissionsRequest{Cursor: cursor} })
	return objects(all, err, v1PermissionOf)
}

func (v *v1) listRoles() (any, error) {
	all, err := everyPage[latchkey.Role](v, "permissions.listRoles",
		func(cursor string) any { return &latchkey.ListRolesRequest{Cursor: cursor} })
	return objects(all, err, v1RoleOf)
}

// v1SharedLimit is a limit of an identity. A verification names it to count it.
type v1SharedLimit struct {
	Name     string            `json:"name"`
	Limit    int64             `json:"limit"`
	Duration latchkey.Duration `json:"duration"`
}

func sharedLimits(list []v1SharedLimit) []latchkey.RatelimitRequest {
	limits := []latchkey.RatelimitRequest{}
	for _, l := range list {
		limits = append(limits, latchkey.RatelimitRequest{
			Name: l.Name, Limit: l.Limit, Duration: l.Duration, AutoApply: latchkey.Set(false),
		})
	}
	return limits
}

// v1Owner is an identity.
type v1Owner struct {
	ID         string          `json:"id"`
	ExternalID string          `json:"externalId"`
	Meta       latchkey.Meta   `json:"meta"`
	Ratelimits []v1SharedLimit `json:"ratelimits"`
}

func v1OwnerOf(i latchkey.Identity) v1Owner {
	owner := v1Owner{i.ID, i.ExternalID, cmp.Or(i.Meta, "{}"), []v1SharedLimit{}}
	for _, l := range i.Ratelimits {
		owner.Ratelimits = append(owner.Ratelimits, v1SharedLimit{l.Name, l.Limit, l.Duration})
	}
	return owner
}

type v1ChangeIdentity struct {
	IdentityID string           `json:"identityId"`
	ExternalID string           `json:"externalId"`
	Meta       *latchkey.Meta   `json:"meta"`
	Ratelimits *[]v1SharedLimit `json:"ratelimits"`
}

func (v *v1) createIdentity(r *v1ChangeIdentity) (any, error) {
	request := &latchkey.CreateIdentityRequest{ExternalID: r.ExternalID, Meta: meta(r.Meta)}
	if r.Ratelimits != nil {
		request.Ratelimits = sharedLimits(*r.Ratelimits)
	}
	return ask[latchkey.CreatedIdentity](v, "identities.createIdentity", request)
}

func (v *v1) getIdentity() (any, error) {
	q := v.query()
	i, err := ask[latchkey.Identity](v, "identities.getIdentity", &latchkey.GetIdentityRequest{
		Identity: cmp.Or(q.text("identityId"), q.text("externalId")),
	})
	return v1OwnerOf(i), err
}

func (v *v1) listIdentities() (any, error) {
	q := v.query()
	request := &latchkey.ListIdentitiesRequest{Limit: q.number("limit"), Cursor: q.text("cursor")}
	if q.fail != nil {
		return nil, q.fail
	}
	response, err := v.askPage("identities.listIdentities", request)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Identities []v1Owner `json:"identities"`
		Cursor     string    `json:"cursor,omitempty"`
		Total      int       `json:"total"`
	}{Identities: []v1Owner{}, Cursor: response.Pagination.Cursor}
	for _, i := range response.Data.([]latchkey.Identity) {
		answer.Identities = append(answer.Identities, v1OwnerOf(i))
	}
	answer.Total = len(answer.Identities)
	if response.Pagination.HasMore {
		answer.Total++
	}
	return answer, nil
}

func (v *v1) updateIdentity(r *v1ChangeIdentity) (any, error) {
	request := &latchkey.UpdateIdentityRequest{Identity: cmp.Or(r.IdentityID, r.ExternalID)}
	if r.Meta != nil {
		request.Meta = latchkey.Set(*r.Meta)
	}
	if r.Ratelimits != nil {
		request.Ratelimits = latchkey.Set(sharedLimits(*r.Ratelimits))
	}
	i, err := ask[latchkey.Identity](v, "identities.updateIdentity", request)
	return v1OwnerOf(i), err
}

func (v *v1) deleteIdentity(r *v1ChangeIdentity) (any, error) {
	return v.do("identities.deleteIdentity",
		&latchkey.DeleteIdentityRequest{Identity: r.IdentityID})
}

type v1Limiting struct {
	Namespace  string              `json:"namespace"`
	Identifier string              `json:"identifier"`
	Limit      int64               `json:"limit"`
	Duration   latchkey.Duration   `json:"duration"`
	Cost       latchkey.Opt[int64] `json:"cost"`
}

func (v *v1) limit(r *v1Limiting) (any, error) {
	request := &latchkey.LimitRequest{
		Namespace: cmp.Or(r.Namespace, "default"), Identifier: r.Identifier, Limit: r.Limit,
		Duration: r.Duration,
	}
	if cost, given := r.Cost.Get(); given {
		request.Cost = latchkey.Set(cost)
	}
	result, err := ask[latchkey.LimitResult](v, "ratelimit.limit", request)
	if err != nil {
		return nil, err
	}
	return struct {
		Success   bool          `json:"success"`
		Limit     int64         `json:"limit"`
		Remaining int64         `json:"remaining"`
		Reset     latchkey.Time `json:"reset"`
	}{result.Success, result.Limit, result.Remaining, result.Reset}, nil
}

// v1OverrideRef names an override.
type v1OverrideRef struct {
	NamespaceID   string `json:"namespaceId"`
	NamespaceName string `json:"namespaceName"`
	Identifier    string `json:"identifier"`
}

func (r *v1OverrideRef) namespace() string { return cmp.Or(r.NamespaceID, r.NamespaceName) }

func (v *v1) overrideRef() v1OverrideRef {
	q := v.query()
	return v1OverrideRef{q.text("namespaceId"), q.text("namespaceName"), q.text("identifier")}
}

// v1Override is an override.
type v1Override struct {
	ID         string            `json:"id"`
	Identifier string            `json:"identifier"`
	Limit      int64             `json:"limit"`
	Duration   latchkey.Duration `json:"duration"`
}

func v1OverrideOf(o latchkey.Override) v1Override {
	return v1Override{o.OverrideID, o.Identifier, o.Limit, o.Duration}
}

type v1SetOverride struct {
	v1OverrideRef
	Limit    latchkey.Opt[int64] `json:"limit"`
	Duration latchkey.Duration   `json:"duration"`
}

func (v *v1) setOverride(r *v1SetOverride) (any, error) {
	return ask[latchkey.SetOverrideResult](v, "ratelimit.setOverride",
		&latchkey.SetOverrideRequest{
			Namespace: r.namespace(), Identifier: r.Identifier, Limit: r.Limit, Duration: r.Duration,
		})
}

func (v *v1) getOverride() (any, error) {
	r := v.overrideRef()
	o, err := ask[latchkey.Override](v, "ratelimit.getOverride",
		&latchkey.GetOverrideRequest{Namespace: r.namespace(), Identifier: r.Identifier})
	return v1OverrideOf(o), err
}

func (v *v1) listOverrides() (any, error) {
	q, r := v.query(), v.overrideRef()
	request := &latchkey.ListOverridesRequest{
		Namespace: r.namespace(), Limit: q.number("limit"), Cursor: q.text("cursor"),
	}
	if q.fail != nil {
		return nil, q.fail
	}
	response, err := v.askPage("ratelimit.listOverrides", request)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Overrides []v1Override `json:"overrides"`
		Cursor    string       `json:"cursor,omitempty"`
		Total     int          `json:"total"`
	}{Overrides: []v1Override{}, Cursor: response.Pagination.Cursor}
	for _, o := range response.Data.([]latchkey.Override) {
		answer.Overrides = append(answer.Overrides, v1OverrideOf(o))
	}
	answer.Total = len(answer.Overrides)
	if response.Pagination.HasMore {
		answer.Total++
	}
	return answer, nil
}

func (v *v1) deleteOverride(r *v1OverrideRef) (any, error) {
	return v.do("ratelimit.deleteOverride",
		&latchkey.DeleteOverrideRequest{Namespace: r.namespace(), Identifier: r.Identifier})
}

// errQueryTree is the error of a permission query of another form.
var errQueryTree = errors.New("a permission query must be a text, or an object with and or or")

// queryText returns the text of a tree of permissions. A tree has at most 20 levels.
func queryText(data []byte, depth int) (string, error) {
	const most = 20
	var slug *string
	if json.Unmarshal(data, &slug) == nil {
		if slug == nil {
			return "", nil
		}
		return *slug, nil
	}
	var tree struct {
		And []json.RawMessage `json:"and"`
		Or  []json.RawMessage `json:"or"`
	}
	if json.Unmarshal(data, &tree) != nil || depth == most || len(tree.And) > 0 && len(tree.Or) > 0 {
		return "", errQueryTree
	}
	word, branches := " AND ", tree.And
	if len(branches) == 0 {
		word, branches = " OR ", tree.Or
	}
	var texts []string
	for _, branch := range branches {
		text, err := queryText(branch, depth+1)
		if err != nil {
			return "", err
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return "", errQueryTree
	}
	return "(" + strings.Join(texts, word) + ")", nil
}
