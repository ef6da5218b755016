package store

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// batches are the numbers of rows that one statement writes or looks for. They are few,
// because each text is prepared once and kept.
var batches = [...]int{256, 32, 4, 1}

// batchText is a statement for each number of rows: for PostgreSQL, and for SQLite, whose
// driver takes long to bind many parameters with names.
type batchText struct{ postgres, sqlite [len(batches)]string }

// batchOf returns a text that ends with what the function makes of the number of rows. It
// is made when it is first used: most commands write nothing.
func batchOf(text string, parameters func(rows int) string) func() *batchText {
	both := func(rows int) string { return text + parameters(rows) }
	return batchOfEach(both, both)
}

// batchOfEach is batchOf for a statement that the engines have different texts for. Its
// parameters are in the order of their numbers.
func batchOfEach(postgres, sqlite func(rows int) string) func() *batchText {
	return sync.OnceValue(func() *batchText {
		numbers := regexp.MustCompile(`\$[0-9]+`)
		t := &batchText{}
		for i, rows := range batches {
			t.postgres[i] = postgres(rows)
			t.sqlite[i] = numbers.ReplaceAllString(sqlite(rows), "?")
		}
		return t
	})
}

// permissionColumns are what permissionsBySlug reads.
const permissionColumns = "SELECT p.id, p.name, p.slug, p.slug_folded, p.description "

// The texts that work on many rows. On PostgreSQL a row takes a fraction of the time of a
// statement of its own.
var (
	insertAuditLogs = batchOf("INSERT INTO audit_logs (seq, id, workspace_id, time, event, "+
		"description, actor_type, actor_id, actor_name, targets, remote_ip, user_agent, "+
		"correlation_id, changes) VALUES ", rowsOf(14))
	insertPermissions = batchOf("INSERT INTO permissions "+
		"(id, workspace_id, name, slug, slug_folded, description, search) VALUES ", rowsOf(7))
	insertKeyPermissions = batchOf(
		"INSERT INTO key_permissions (key_id, permission_id) VALUES ", rowsOf(2))
	insertRolePermissions = batchOf(
		"INSERT INTO role_permissions (role_id, permission_id) VALUES ", rowsOf(2))
	insertKeyRoles       = batchOf("INSERT INTO key_roles (key_id, role_id) VALUES ", rowsOf(2))
	deleteKeyRoles       = batchOf("DELETE FROM key_roles WHERE key_id = $1 AND role_id IN ", secondOn)
	deleteKeyPermissions = batchOf(
		"DELETE FROM key_permissions WHERE key_id = $1 AND permission_id IN ", secondOn)
	deleteRolePermissions = batchOf(
		"DELETE FROM role_permissions WHERE role_id = $1 AND permission_id IN ", secondOn)
	// Both look up one slug after the other. Of a list of slugs PostgreSQL would read all
	// permissions of the workspace while its statistics don't know that there are many.
	permissionsBySlug = batchOfEach(
		func(rows int) string {
			return "SELECT p.* FROM " + secondOn(rows) + " AS wanted (slug) CROSS JOIN LATERAL (" +
				permissionColumns +
				"FROM permissions AS p WHERE p.workspace_id = $1 AND p.slug_folded = wanted.slug LIMIT 1) AS p"
		},
		func(rows int) string {
			return "WITH own (id) AS (VALUES ($1)), wanted (slug) AS " + secondOn(rows) + " " +
				permissionColumns + "FROM own CROSS JOIN wanted CROSS JOIN permissions AS p " +
				"WHERE p.workspace_id = own.id AND p.slug_folded = wanted.slug"
		})
	rolesByName = batchOf("SELECT id, name, name_folded, description FROM roles "+
		"WHERE workspace_id = $1 AND name_folded IN ", listFrom(2))
	grantedByRoles = batchOf("SELECT rp.role_id, COUNT(*), "+
		"COUNT(CASE WHEN p.slug LIKE '%*%' THEN 1 END) FROM role_permissions rp "+
		"JOIN permissions p ON p.id = rp.permission_id WHERE rp.role_id IN ",
		func(rows int) string { return listFrom(1)(rows) + " GROUP BY rp.role_id" })
	hashesTaken = batchOf("SELECT hash FROM keys WHERE workspace_id = $1 AND hash IN ", listFrom(2))
)

// rowsOf makes the parameters of rows: ($1, $2), ($3, $4) and so on.
func rowsOf(columns int) func(int) string {
	return func(n int) string {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = listFrom(1 + i*columns)(columns)
		}
		return strings.Join(rows, ", ")
	}
}

// listFrom makes a list of parameters, of which the first has that number.
func listFrom(first int) func(int) string {
	return func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = "$" + strconv.Itoa(first+i)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
}

// secondOn makes a table of one column from the second parameter on. PostgreSQL looks rows up
// in it; it would compare each with every member of a list.
func secondOn(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "($" + strconv.Itoa(2+i) + ")"
	}
	return "(VALUES " + strings.Join(names, ", ") + ")"
}

// InsertAuditLogs inserts rows of the audit log.
func (tx *Tx) InsertAuditLogs(ctx context.Context, rows []write.InsertAuditLogParams) error {
	return insertAll(ctx, tx, insertAuditLogs, rows, func(r write.InsertAuditLogParams) []any {
		return []any{r.Seq, r.ID, r.WorkspaceID, r.Time, r.Event, r.Description, r.ActorType,
			r.ActorID, r.ActorName, r.Targets, r.RemoteIP, r.UserAgent, r.CorrelationID, r.Changes}
	})
}

// InsertPermissions inserts permissions.
func (tx *Tx) InsertPermissions(ctx context.Context, rows []write.InsertPermissionParams) error {
	return insertAll(ctx, tx, insertPermissions, rows, func(r write.InsertPermissionParams) []any {
		return []any{r.ID, r.WorkspaceID, r.Name, r.Slug, r.SlugFolded, r.Description, r.Search}
	})
}

// InsertKeyPermissions gives a key permissions that it doesn't have.
func (tx *Tx) InsertKeyPermissions(ctx context.Context, key string, permissions []string) error {
	return insertAll(ctx, tx, insertKeyPermissions, permissions,
		func(permission string) []any { return []any{key, permission} })
}

// InsertKeyRoles gives a key roles that it doesn't have.
func (tx *Tx) InsertKeyRoles(ctx context.Context, key string, roles []string) error {
	return insertAll(ctx, tx, insertKeyRoles, roles,
		func(role string) []any { return []any{key, role} })
}

// DeleteKeyRolesOf takes roles from a key.
func (tx *Tx) DeleteKeyRolesOf(ctx context.Context, key string, roles []string) error {
	return tx.deleteAll(ctx, deleteKeyRoles, key, roles)
}

// InsertRolePermissions gives a role permissions that it doesn't have.
func (tx *Tx) InsertRolePermissions(ctx context.Context, role string, permissions []string) error {
	return insertAll(ctx, tx, insertRolePermissions, permissions,
		func(permission string) []any { return []any{role, permission} })
}

// DeleteKeyPermissionsOf takes permissions from a key.
func (tx *Tx) DeleteKeyPermissionsOf(ctx context.Context, key string, permissions []string) error {
	return tx.deleteAll(ctx, deleteKeyPermissions, key, permissions)
}

// DeleteRolePermissionsOf takes permissions from a role.
func (tx *Tx) DeleteRolePermissionsOf(
	ctx context.Context, role string, permissions []string,
) error {
	return tx.deleteAll(ctx, deleteRolePermissions, role, permissions)
}

// PermissionsBySlug returns the permissions of a workspace with these folded slugs, in no
// order. They have the columns that a response needs.
func (tx *Tx) PermissionsBySlug(
	ctx context.Context, workspace string, folded []string,
) (found []read.Permission, err error) {
	seen := make(map[string]bool, len(folded))
	err = tx.lookUp(ctx, permissionsBySlug, []any{workspace}, folded, func(rows *sql.Rows) error {
		var p read.Permission
		err := rows.Scan(&p.ID, &p.Name, &p.Slug, &p.SlugFolded, &p.Description)
		if !seen[p.ID] { // the last slug can be there several times
			seen[p.ID] = true
			found = append(found, p)
		}
		return err
	})
	return found, err
}

// RolesByName returns the roles of a workspace with these folded names, by that name. They have
// the columns that a response needs.
func (tx *Tx) RolesByName(
	ctx context.Context, workspace string, folded []string,
) (map[string]read.Role, error) {
	found := make(map[string]read.Role, len(folded))
	err := tx.lookUp(ctx, rolesByName, []any{workspace}, folded, func(rows *sql.Rows) error {
		var r read.Role
		err := rows.Scan(&r.ID, &r.Name, &r.NameFolded, &r.Description)
		found[r.NameFolded] = r
		return err
	})
	return found, err
}

// CountGranted returns how many permissions roles have together, each counted for each role,
// and how many of them have a * in their slug.
func (tx *Tx) CountGranted(
	ctx context.Context, roles []string,
) (permissions, wildcards int64, err error) {
	seen := make(map[string]bool, len(roles))
	err = tx.lookUp(ctx, grantedByRoles, nil, roles, func(rows *sql.Rows) error {
		var id string
		var all, wild int64
		err := rows.Scan(&id, &all, &wild)
		if !seen[id] {
			seen[id] = true
			permissions, wildcards = permissions+all, wildcards+wild
		}
		return err
	})
	return permissions, wildcards, err
}

// HashesTaken returns those of the hashes that keys of a workspace have.
func (tx *Tx) HashesTaken(
	ctx context.Context, workspace string, hashes []string,
) (map[string]bool, error) {
	taken := map[string]bool{}
	err := tx.lookUp(ctx, hashesTaken, []any{workspace}, hashes, func(rows *sql.Rows) error {
		var hash string
		err := rows.Scan(&hash)
		taken[hash] = true
		return err
	})
	return taken, err
}

// lookUp looks up values and calls scan for each row. It can find a row again.
func (tx *Tx) lookUp(
	ctx context.Context, text func() *batchText, first []any, values []string,
	scan func(*sql.Rows) error,
) error {
	tx.weight += len(values)
	for some := range slices.Chunk(values, batches[0]) {
		i := atLeast(len(some))
		rows, err := tx.checked.QueryContext(ctx, tx.text(text(), i),
			append(slices.Clip(first), padded(some, batches[i])...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// insertAll inserts rows, each time as many as it has a text for.
func insertAll[T any](
	ctx context.Context, tx *Tx, text func() *batchText, rows []T, args func(T) []any,
) error {
	tx.weight += len(rows)
	for len(rows) > 0 {
		i := atMost(len(rows))
		var all []any
		for _, row := range rows[:batches[i]] {
			all = append(all, args(row)...)
		}
		tx.wrote = true
		if _, err := tx.checked.ExecContext(ctx, tx.text(text(), i), all...); err != nil {
			return err
		}
		rows = rows[batches[i]:]
	}
	return nil
}

// deleteAll deletes what an owner has of some ids.
func (tx *Tx) deleteAll(
	ctx context.Context, text func() *batchText, owner string, ids []string,
) error {
	tx.weight += len(ids)
	for some := range slices.Chunk(ids, batches[0]) {
		i := atLeast(len(some))
		tx.wrote = true
		_, err := tx.checked.ExecContext(ctx, tx.text(text(), i),
			append([]any{owner}, padded(some, batches[i])...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// text returns the form of a text that the database takes, for one of the batches.
func (tx *Tx) text(t *batchText, i int) string {
	if _, sqlite := tx.on.(*statements); sqlite {
		return t.sqlite[i]
	}
	return t.postgres[i]
}

// atMost returns the index of the largest batch of at most n rows.
func atMost(n int) int {
	return slices.IndexFunc(batches[:], func(rows int) bool { return rows <= n })
}

// atLeast returns the index of the smallest batch of at least n rows.
func atLeast(n int) int {
	i := len(batches) - 1
	for batches[i] < n {
		i--
	}
	return i
}

// padded returns texts as n parameters. To those missing it gives the last one.
func padded(some []string, n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = some[min(i, len(some)-1)]
	}
	return all
}
