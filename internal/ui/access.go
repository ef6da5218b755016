package ui

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// The most rows and columns of the matrix.
const (
	maxMatrixRoles       = 20
	maxMatrixPermissions = 50
)

// accessView is what roles and permissions show.
type accessView struct {
	Roles     []latchkey.Role
	Rows      []accessRow
	MoreRoles bool // there are more than are shown
	Search    string
	Pages     pager
	Problem   *problem
}

// accessRow is a permission with what each role has of it.
type accessRow struct {
	latchkey.Permission
	Cells []accessCell
}

// accessCell is whether a role has a permission.
type accessCell struct {
	Role latchkey.Role
	Has  bool
	By   string // the permission of the role with a * that covers it; "" for none
}

// access shows the matrix of roles and permissions.
func (v *visit) access() error { return v.showAccess(http.StatusOK, nil) }

func (v *visit) showAccess(status int, wrong *problem) error {
	roles, err := v.client.Permissions.ListRoles(v.ctx(), latchkey.ListRolesRequest{
		Limit: maxMatrixRoles,
	})
	if err != nil {
		return err
	}
	search := clip(v.r.URL.Query().Get("q"), 256)
	permissions, err := v.client.Permissions.List(v.ctx(), latchkey.ListPermissionsRequest{
		Search: search, Limit: maxMatrixPermissions, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view := accessView{
		Roles: roles.Data, MoreRoles: roles.Pagination.HasMore, Search: search, Problem: wrong,
		Pages: v.pager(len(permissions.Data), permissions.Pagination),
	}
	for _, p := range permissions.Data {
		row := accessRow{Permission: p}
		for _, role := range roles.Data {
			row.Cells = append(row.Cells, cellOf(role, p.Slug))
		}
		view.Rows = append(view.Rows, row)
	}
	slices.SortFunc(view.Rows, func(a, b accessRow) int { return strings.Compare(a.Slug, b.Slug) })
	v.write(status, "access", page{Title: "Roles and permissions", Section: "/access", Data: view})
	return nil
}

func cellOf(role latchkey.Role, slug string) accessCell {
	cell := accessCell{Role: role}
	for _, held := range role.Permissions {
		switch {
		case held.Slug == slug:
			cell.Has = true
		case strings.Contains(held.Slug, "*") && covers(held.Slug, slug):
			cell.By = held.Slug
		}
	}
	return cell
}

// covers reports whether a permission with a * in it covers another one: a * is any text.
func covers(pattern, slug string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(slug, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}

// saveAccess changes the roles whose cells were changed. A cell is sent with how it was shown, so
// that what others changed meanwhile stays.
func (v *visit) saveAccess() error {
	changes := map[string]map[string]bool{} // by role, of a permission's slug
	now := v.r.PostForm["has"]
	for _, was := range v.r.PostForm["shown"] {
		shown, cell, _ := strings.Cut(was, " ")
		role, slug, _ := strings.Cut(cell, " ")
		had, has := shown == "1", slices.Contains(now, cell)
		if had == has {
			continue
		}
		if changes[role] == nil {
			changes[role] = map[string]bool{}
		}
		changes[role][slug] = has
	}
	for saved, id := range slices.Sorted(maps.Keys(changes)) {
		err := v.changeRole(id, changes[id])
		if wrong := refusal(err); wrong != nil && saved > 0 {
			wrong.Text += " " + plural(saved, "role was", "roles were") + " saved before that."
			return v.showAccess(http.StatusUnprocessableEntity, wrong)
		}
		if err != nil {
			return v.accessChanged("", err)
		}
	}
	return v.accessChanged("Saved "+plural(len(changes), "role", "roles")+
		". Their keys can do so from now on.", nil)
}

// changeRole adds permissions to a role, and removes others.
func (v *visit) changeRole(id string, changed map[string]bool) error {
	role, err := v.client.Permissions.GetRole(v.ctx(), latchkey.GetRoleRequest{Role: id})
	if err != nil {
		return err
	}
	slugs := []string{}
	for _, p := range role.Permissions {
		if _, named := changed[p.Slug]; !named {
			slugs = append(slugs, p.Slug)
		}
	}
	for slug, has := range changed {
		if has {
			slugs = append(slugs, slug)
		}
	}
	_, err = v.client.Permissions.SetRolePermissions(v.ctx(), latchkey.SetRolePermissionsRequest{
		Role: id, Permissions: slugs,
	})
	return err
}

// createRole creates a role.
func (v *visit) createRole() error {
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	_, err := v.client.Permissions.CreateRole(v.ctx(), latchkey.CreateRoleRequest{
		Name: name, Description: strings.TrimSpace(v.r.PostFormValue("description")),
		Permissions: slugs(v.r.PostFormValue("permissions")),
	}, v.once())
	return v.accessChanged("Created the role "+name+".", err)
}

// createPermission creates a permission.
func (v *visit) createPermission() error {
	slug := strings.TrimSpace(v.r.PostFormValue("slug"))
	_, err := v.client.Permissions.Create(v.ctx(), latchkey.CreatePermissionRequest{
		Name: slug, Slug: slug, Description: strings.TrimSpace(v.r.PostFormValue("description")),
	}, v.once())
	return v.accessChanged("Created "+slug+".", err)
}

// deleteAccess deletes a role or a permission, whose name was typed.
func (v *visit) deleteAccess() error {
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	var err error
	if v.r.PostFormValue("of") == "role" {
		err = v.client.Permissions.DeleteRole(v.ctx(),
			latchkey.DeleteRoleRequest{Role: name}, v.once())
	} else {
		err = v.client.Permissions.Delete(v.ctx(),
			latchkey.DeletePermissionRequest{Permission: name}, v.once())
	}
	return v.accessChanged("Deleted "+name+".", err)
}

// accessChanged goes back to the matrix, or says why nothing was changed.
func (v *visit) accessChanged(done string, err error) error {
	if err == nil {
		return v.redirect("/access", done)
	}
	if wrong := refusal(err); wrong != nil {
		return v.showAccess(http.StatusUnprocessableEntity, wrong)
	}
	return err
}
