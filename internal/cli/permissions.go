package cli

import (
	"github.com/latchkeyhq/latchkey"
)

// permissionCommands are the commands of permissions.
type permissionCommands struct {
	Create createPermission `cmd:"" op:"permissions.createPermission" done:"Created permission {slug}. Its id:" last:"permissionId" help:"Create a permission; print its id."`
	List   struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id, name, slug or description contains this text."`
	} `cmd:"" op:"permissions.listPermissions" help:"List the permissions."`
	Get struct {
		Permission string `arg:"" json:"permission" complete:"permissions.listPermissions slug" help:"Its slug or id."`
	} `cmd:"" op:"permissions.getPermission" help:"Show a permission."`
	Update struct {
		Permission  string  `arg:"" json:"permission" complete:"permissions.listPermissions slug" help:"Its slug or id."`
		Name        *string `json:"name,omitempty" help:"Name, for people."`
		Slug        *string `json:"slug,omitempty" help:"What keys hold. Keys and roles keep the permission."`
		Description *string `json:"description,omitempty" help:"Text for people."`
		Clearing
	} `cmd:"" op:"permissions.updatePermission" done:"Updated permission {slug}." help:"Change a permission."`
	Delete struct {
		Permission string `arg:"" json:"permission" complete:"permissions.listPermissions slug" help:"Its slug or id."`
		Confirmed
	} `cmd:"" op:"permissions.deletePermission" confirm:"Every key and role loses the permission {permission}." done:"Deleted permission {permission}. No key or role has it." help:"Delete a permission and remove it from every key and role."`
}

// createPermission creates a permission.
type createPermission struct {
	Slug        string `arg:"" json:"slug" help:"What keys hold and verifications ask for, for example documents.read."`
	Name        string `json:"name" help:"Name, for people (default: the slug)."`
	Description string `json:"description,omitempty" help:"Text for people."`
}

// AfterApply names the permission like its slug if it has no other name.
func (c *createPermission) AfterApply() error {
	if c.Name == "" {
		c.Name = c.Slug
	}
	return nil
}

func permissionRow(p latchkey.Permission) []string {
	name := p.Name
	if name == p.Slug {
		name = ""
	}
	return []string{p.ID, p.Slug, name, p.Description}
}

// roleCommands are the commands of roles.
type roleCommands struct {
	Create struct {
		Name        string   `arg:"" json:"name" help:"Name; keys get the role by it."`
		Permissions []string `name:"permission" short:"p" json:"permissions,omitempty" complete:"permissions.listPermissions slug" placeholder:"SLUG" help:"Permission that it grants; repeatable."`
		Description string   `json:"description,omitempty" help:"Text for people."`
	} `cmd:"" op:"permissions.createRole" done:"Created role {name}. Its id:" last:"roleId" help:"Create a role, a named set of permissions; print its id."`
	List struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id, name or description contains this text."`
	} `cmd:"" op:"permissions.listRoles" help:"List the roles."`
	Get struct {
		Role string `arg:"" json:"role" complete:"permissions.listRoles name" help:"Its name or id."`
	} `cmd:"" op:"permissions.getRole" help:"Show a role."`
	Update struct {
		Role        string  `arg:"" json:"role" complete:"permissions.listRoles name" help:"Its name or id."`
		Name        *string `json:"name,omitempty" help:"New name. Keys keep the role."`
		Description *string `json:"description,omitempty" help:"Text for people."`
		Clearing
	} `cmd:"" op:"permissions.updateRole" done:"Updated role {name}." help:"Change name and description of a role."`
	SetPermissions struct {
		Role        roleID   `arg:"" json:"roleId" complete:"permissions.listRoles name" help:"Its name or id."`
		Permissions textList `arg:"" optional:"" name:"permission" json:"permissions" complete:"permissions.listPermissions slug" help:"What it grants, all of it. None removes all."`
	} `cmd:"" op:"permissions.setRolePermissions" done:"Set the permissions of role {roleId}." help:"Replace what a role grants."`
	Delete struct {
		Role string `arg:"" json:"role" complete:"permissions.listRoles name" help:"Its name or id."`
		Confirmed
	} `cmd:"" op:"permissions.deleteRole" confirm:"Every key loses the role {role}." done:"Deleted role {role}. No key has it." help:"Delete a role and remove it from every key."`
}

func roleRow(r latchkey.Role) []string {
	slugs := make([]string, len(r.Permissions))
	for i, p := range r.Permissions {
		slugs[i] = p.Slug
	}
	return []string{r.ID, r.Name, few(slugs), r.Description}
}
