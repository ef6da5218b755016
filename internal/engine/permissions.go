package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreatePermission creates a permission. Keys and roles have permissions by
// slug, and verification queries ask for slugs; the name is for people and need
// not be unique. Granting a slug that doesn't exist creates its permission, so
// this operation is needed only to set a name or a description.
//
// The root key needs rbac.*.create_permission. A slug that already exists, in
// any letter case, returns 409.
func (e *Engine) CreatePermission(
	ctx context.Context, who Caller, r *latchkey.CreatePermissionRequest,
) (latchkey.CreatedPermission, error) {
	work := func(ctx context.Context, c *Change) (latchkey.CreatedPermission, error) {
		p := latchkey.Permission{
			ID: NewID("perm"), Name: r.Name, Slug: r.Slug, Description: r.Description,
		}
		if err := c.requireFreeSlug(ctx, p); err != nil {
			return latchkey.CreatedPermission{}, err
		}
		if err := c.insertPermission(ctx, p); err != nil {
			return latchkey.CreatedPermission{}, err
		}
		return latchkey.CreatedPermission{PermissionID: p.ID}, nil
	}
	return change(ctx, e, who, work)
}

// GetPermission returns a permission by its id, or by its slug in any letter
// case.
//
// The root key needs rbac.*.read_permission. An unknown permission returns 404.
func (e *Engine) GetPermission(
	ctx context.Context, who Caller, r *latchkey.GetPermissionRequest,
) (latchkey.Permission, error) {
	row, err := e.db.Permission(ctx, who.WorkspaceID(), r.Permission, foldSlug(r.Permission))
	if err != nil {
		return latchkey.Permission{}, orNotFound(err, permissionNotFound(r.Permission))
	}
	return storedPermission(row), nil
}

// ListPermissions returns the permissions of the workspace in the order of
// their ids, page by page. A search returns the permissions whose id, name,
// slug or description contains the text, in any letter case.
//
// The root key needs rbac.*.read_permission.
func (e *Engine) ListPermissions(
	ctx context.Context, who Caller, r *latchkey.ListPermissionsRequest,
) (latchkey.Page[latchkey.Permission], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.Permission) string { return row.ID },
		func(cursor string, most int64) ([]read.Permission, error) {
			return e.db.PermissionsPage(ctx, read.PermissionsPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor,
				Pattern: searchPattern(r.Search), Most: most,
			})
		}, each(storedPermission))
}

// UpdatePermission changes a permission and returns it. Absent fields keep
// their values; a description of null is removed. Keys and roles keep the
// permission when its slug changes, and verification uses the new slug from the
// next request on.
//
// The root key needs rbac.*.update_permission, and for a new slug with a * also
// rbac.*.add_permission_to_key. An unknown permission returns
// 404. A slug of another permission, in any letter case, returns 409.
func (e *Engine) UpdatePermission(
	ctx context.Context, who Caller, r *latchkey.UpdatePermissionRequest,
) (latchkey.Permission, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Permission, error) {
		row, err := c.tx.Permission(ctx, who.WorkspaceID(), r.Permission, foldSlug(r.Permission))
		if err != nil {
			return latchkey.Permission{}, orNotFound(err, permissionNotFound(r.Permission))
		}
		p := storedPermission(row)
		p.Name, p.Slug = r.Name.Or(p.Name), r.Slug.Or(p.Slug)
		if hasWildcard(p) && p.Slug != row.Slug {
			if err := c.requireWildcard(); err != nil {
				return latchkey.Permission{}, err
			}
		}
		if !r.Description.IsZero() {
			p.Description = r.Description.Or("")
		}
		if err := c.requireFreeSlug(ctx, p); err != nil {
			return latchkey.Permission{}, err
		}
		c.auditUpdate(permissionUpdated, storedPermission(row), p, permissionTarget(p))
		err = c.tx.UpdatePermission(ctx, write.UpdatePermissionParams{
			ID: p.ID, Name: p.Name, Slug: p.Slug, SlugFolded: foldSlug(p.Slug),
			Description: p.Description,
			Search:      searchText(p.ID, p.Name, p.Slug, p.Description),
		})
		if err != nil {
			return latchkey.Permission{}, err
		}
		if err := c.invalidateHolders(ctx, p.ID); err != nil {
			return latchkey.Permission{}, err
		}
		return p, nil
	})
}

// DeletePermission deletes a permission and revokes it from every key and role
// at once. A new permission with the same slug is granted to none of them.
//
// The root key needs rbac.*.delete_permission. An unknown permission returns
// 404.
func (e *Engine) DeletePermission(
	ctx context.Context, who Caller, r *latchkey.DeletePermissionRequest,
) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.Permission(ctx, who.WorkspaceID(), r.Permission, foldSlug(r.Permission))
		if err != nil {
			return orNotFound(err, permissionNotFound(r.Permission))
		}
		keys, err := c.tx.TakePermissionFromKeys(ctx, row.ID, maxRows)
		if err != nil {
			return fmt.Errorf("keys with the permission: %w", err)
		}
		roles, err := c.tx.TakePermissionFromRoles(ctx, row.ID, maxRows)
		if err != nil {
			return fmt.Errorf("roles with the permission: %w", err)
		}
		c.invalidate(keys...)
		c.invalidate(roles...)
		if len(keys) == maxRows || len(roles) == maxRows {
			return new(part)
		}
		c.audit(permissionDeleted, permissionTarget(storedPermission(row)))
		if err := c.count(ctx, quotaPermissions, -1); err != nil {
			return err
		}
		return c.tx.DeletePermission(ctx, row.ID)
	})
}

// invalidateHolders invalidates the keys and the roles that have a permission, or, if
// there are many, the whole workspace.
func (c *Change) invalidateHolders(ctx context.Context, permissionID string) error {
	keys, err := c.tx.KeysWithPermission(ctx, permissionID, maxRows)
	if err != nil {
		return fmt.Errorf("keys with the permission: %w", err)
	}
	roles, err := c.tx.RolesWithPermission(ctx, permissionID, maxRows)
	if err != nil {
		return fmt.Errorf("roles with the permission: %w", err)
	}
	if len(keys) == maxRows || len(roles) == maxRows {
		c.invalidate(c.who.WorkspaceID())
		return nil
	}
	c.invalidate(keys...)
	c.invalidate(roles...)
	return nil
}

// permissionsFor returns the permissions with these slugs, in slug order. It
// creates those that don't exist, named after their slug; some operations
// declare a rule for that. Slugs that differ only in letter case are one.
func (c *Change) permissionsFor(
	ctx context.Context, slugs []string,
) ([]latchkey.Permission, error) {
	found, absent, err := c.findPermissions(ctx, slugs)
	if err != nil {
		return nil, err
	}
	return c.withNewPermissions(ctx, found, absent)
}

// fewSlugs is how many permissions a request creates in the change that grants them. If
// more don't exist, changes of their own create them before.
const fewSlugs = 50

// withNewPermissions creates the absent permissions and returns all, in slug order. If
// there are many it returns a part, so work must not have written anything before that it
// writes again.
func (c *Change) withNewPermissions(
	ctx context.Context, permissions []latchkey.Permission, absent []string,
) ([]latchkey.Permission, error) {
	if len(absent) > 0 && c.who.op.declares(latchkey.WhenNewPermissions) {
		if err := c.requireWhen(latchkey.WhenNewPermissions, everything); err != nil {
			return nil, err
		}
	}
	if len(absent) > fewSlugs {
		return nil, inParts(absent)
	}
	created, err := c.createPermissions(ctx, absent)
	if err != nil {
		return nil, err
	}
	permissions = append(permissions, created...)
	slices.SortFunc(permissions, bySlug)
	return permissions, nil
}

// inParts returns a part of a request, before which nothing was made: the permissions
// with these slugs are created next.
func inParts(slugs []string) *part {
	p := new(part)
	for some := range slices.Chunk(slugs, maxRows) {
		p.next = append(p.next, func(ctx context.Context, c *Change) error {
			_, absent, err := c.findPermissions(ctx, some)
			if err != nil {
				return err
			}
			_, err = c.createPermissions(ctx, absent)
			return err
		})
	}
	return p
}

// createPermissions creates permissions with these slugs, named after them.
func (c *Change) createPermissions(
	ctx context.Context, slugs []string,
) ([]latchkey.Permission, error) {
	if len(slugs) == 0 {
		return nil, nil
	}
	if err := c.count(ctx, quotaPermissions, int64(len(slugs))); err != nil {
		return nil, err
	}
	rows := make([]write.InsertPermissionParams, len(slugs))
	created := make([]latchkey.Permission, len(slugs))
	for i, slug := range slugs {
		created[i] = latchkey.Permission{ID: NewID("perm"), Name: slug, Slug: slug}
		rows[i] = c.permissionRow(created[i])
		c.permissions[rows[i].SlugFolded] = created[i]
	}
	c.auditAll(permissionCreated, targets(created, permissionTarget))
	if err := c.tx.InsertPermissions(ctx, rows); err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	return created, nil
}

// permissionsForKey is permissionsFor, but no slug may differ from that of an existing
// permission in letter case: verification compares them exactly, so the key would not
// have what the request names.
func (c *Change) permissionsForKey(
	ctx context.Context, slugs []string,
) ([]latchkey.Permission, error) {
	found, absent, err := c.findPermissions(ctx, slugs)
	if err != nil {
		return nil, err
	}
	spelled := make(map[string]string, len(found))
	for _, p := range found {
		spelled[foldSlug(p.Slug)] = p.Slug
	}
	for i, slug := range slugs {
		if as, exists := spelled[foldSlug(slug)]; exists && as != slug {
			return nil, invalid(latchkey.Fault{
				Location: "/properties/permissions/items",
				Message: fmt.Sprintf("permissions[%d] is %q, but the permission is spelled %q",
					i, slug, as),
				Fix: "Use that spelling; letter case counts in verification.",
			})
		}
	}
	return c.withNewPermissions(ctx, found, absent)
}

// permissionsNamed returns the permissions with these slugs, in slug order. All
// must exist.
func (c *Change) permissionsNamed(
	ctx context.Context, slugs []string,
) ([]latchkey.Permission, error) {
	permissions, absent, err := c.findPermissions(ctx, slugs)
	if err != nil {
		return nil, err
	}
	if len(absent) > 0 {
		return nil, permissionNotFound(absent[0])
	}
	slices.SortFunc(permissions, bySlug)
	return permissions, nil
}

// findPermissions looks up each slug once in a change, whatever its letter case. Absent has
// the slugs that don't exist, in the order of the request.
func (c *Change) findPermissions(
	ctx context.Context, slugs []string,
) (found []latchkey.Permission, absent []string, err error) {
	wanted := make([]string, 0, len(slugs))
	for folded := range distinct(slugs, foldSlug) {
		if _, known := c.permissions[folded]; !known {
			wanted = append(wanted, folded)
		}
	}
	rows, err := c.tx.PermissionsBySlug(ctx, c.who.WorkspaceID(), wanted)
	if err != nil {
		return nil, nil, fmt.Errorf("permissions: %w", err)
	}
	for _, row := range rows {
		c.permissions[row.SlugFolded] = storedPermission(row)
	}
	found = make([]latchkey.Permission, 0, len(slugs))
	for folded, slug := range distinct(slugs, foldSlug) {
		if p, exists := c.permissions[folded]; exists {
			found = append(found, p)
		} else {
			absent = append(absent, slug)
		}
	}
	return found, absent, nil
}

func (c *Change) insertPermission(ctx context.Context, p latchkey.Permission) error {
	if err := c.count(ctx, quotaPermissions, 1); err != nil {
		return err
	}
	c.audit(permissionCreated, permissionTarget(p))
	return c.tx.InsertPermission(ctx, c.permissionRow(p))
}

// requireFreeSlug returns an error if another permission has the slug of this one.
func (c *Change) requireFreeSlug(ctx context.Context, p latchkey.Permission) error {
	found, err := c.tx.PermissionsBySlug(ctx, c.who.WorkspaceID(), []string{foldSlug(p.Slug)})
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].ID != p.ID {
		return slugExists(p.Slug)
	}
	return nil
}

// permissionRow returns the row of a new permission.
func (c *Change) permissionRow(p latchkey.Permission) write.InsertPermissionParams {
	return write.InsertPermissionParams{
		ID: p.ID, WorkspaceID: c.who.WorkspaceID(), Name: p.Name, Slug: p.Slug,
		SlugFolded:  foldSlug(p.Slug),
		Description: p.Description, Search: searchText(p.ID, p.Name, p.Slug, p.Description),
	}
}

// foldSlug returns the form in which slugs are compared. They are ASCII.
func foldSlug(slug string) string { return strings.ToLower(slug) }

// distinct yields each text with its folded form. Of texts with the same folded
// form it yields the first.
func distinct(texts []string, fold func(string) string) func(yield func(folded, text string) bool) {
	return func(yield func(folded, text string) bool) {
		seen := make(map[string]bool, len(texts))
		for _, text := range texts {
			folded := fold(text)
			if seen[folded] {
				continue
			}
			seen[folded] = true
			if !yield(folded, text) {
				return
			}
		}
	}
}

func bySlug(a, b latchkey.Permission) int { return strings.Compare(a.Slug, b.Slug) }

func storedPermission(row read.Permission) latchkey.Permission {
	return latchkey.Permission{
		ID: row.ID, Name: row.Name, Slug: row.Slug, Description: row.Description,
	}
}

func permissionTarget(p latchkey.Permission) latchkey.AuditTarget {
	return target("permission", p.ID, p.Slug)
}

func slugExists(slug string) *latchkey.Error {
	return errPermissionExists.with(
		"A permission with the slug %q already exists in this workspace; letter case is ignored.",
		slug,
	)
}

func permissionNotFound(name string) *latchkey.Error {
	return errPermissionNotFound.with("There is no permission %q in this workspace.", name)
}
