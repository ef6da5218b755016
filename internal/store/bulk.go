package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// batch is how many rows a statement writes or looks for at once. It is one number,
// because each text is prepared once and kept. What is left over from batches is written
// row by row.
const batch = 32

// The texts that work on a batch of rows. On PostgreSQL a row takes a tenth of the time
// of a statement of its own.
var (
	insertAuditLogs = "INSERT INTO audit_logs (seq, id, workspace_id, time, event, description, " +
		"actor_type, actor_id, actor_name, targets, remote_ip, user_agent, correlation_id) VALUES " +
		batchRows(13)
	insertPermissions = "INSERT INTO permissions " +
		"(id, workspace_id, name, slug, slug_folded, description, search) VALUES " + batchRows(7)
	insertKeyPermissions  = "INSERT INTO key_permissions (key_id, permission_id) VALUES " + batchRows(2)
	insertRolePermissions = "INSERT INTO role_permissions (role_id, permission_id) VALUES " + batchRows(2)
	deleteKeyPermissions  = "DELETE FROM key_permissions WHERE key_id = $1 AND permission_id IN " +
		batchList(2)
	deleteRolePermissions = "DELETE FROM role_permissions WHERE role_id = $1 AND permission_id IN " +
		batchList(2)
	permissionsBySlug = "SELECT id, workspace_id, name, slug, slug_folded, description, search " +
		"FROM permissions WHERE workspace_id = $1 AND slug_folded IN " + batchList(2)
	hashesTaken = "SELECT hash FROM keys WHERE hash IN " + batchList(1)
)

// batchRows returns the parameters of a batch of rows: ($1, $2), ($3, $4) and so on.
func batchRows(columns int) string {
	rows := make([]string, batch)
	for i := range rows {
		rows[i] = parameters(1+i*columns, columns)
	}
	return strings.Join(rows, ", ")
}

// batchList returns a list of as many parameters as a batch has rows.
func batchList(first int) string { return parameters(first, batch) }

func parameters(first, n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "$" + strconv.Itoa(first+i)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// InsertAuditLogs inserts rows of the audit log.
func (tx *Tx) InsertAuditLogs(ctx context.Context, rows []write.InsertAuditLogParams) error {
	return insertAll(ctx, tx, insertAuditLogs, rows, func(r write.InsertAuditLogParams) []any {
		return []any{r.Seq, r.ID, r.WorkspaceID, r.Time, r.Event, r.Description, r.ActorType,
			r.ActorID, r.ActorName, r.Targets, r.RemoteIP, r.UserAgent, r.CorrelationID}
	}, tx.InsertAuditLog)
}

// InsertPermissions inserts permissions.
func (tx *Tx) InsertPermissions(ctx context.Context, rows []write.InsertPermissionParams) error {
	return insertAll(ctx, tx, insertPermissions, rows, func(r write.InsertPermissionParams) []any {
		return []any{r.ID, r.WorkspaceID, r.Name, r.Slug, r.SlugFolded, r.Description, r.Search}
	}, tx.InsertPermission)
}

// InsertKeyPermissions gives a key permissions that it doesn't have.
func (tx *Tx) InsertKeyPermissions(ctx context.Context, key string, permissions []string) error {
	return insertAll(ctx, tx, insertKeyPermissions, permissions,
		func(permission string) []any { return []any{key, permission} },
		func(ctx context.Context, permission string) error {
			return tx.InsertKeyPermission(ctx, key, permission)
		})
}

// InsertRolePermissions gives a role permissions that it doesn't have.
func (tx *Tx) InsertRolePermissions(ctx context.Context, role string, permissions []string) error {
	return insertAll(ctx, tx, insertRolePermissions, permissions,
		func(permission string) []any { return []any{role, permission} },
		func(ctx context.Context, permission string) error {
			return tx.InsertRolePermission(ctx, role, permission)
		})
}

// DeleteKeyPermissionsOf takes permissions from a key.
func (tx *Tx) DeleteKeyPermissionsOf(ctx context.Context, key string, permissions []string) error {
	return tx.deleteAll(ctx, deleteKeyPermissions, key, permissions)
}

// DeleteRolePermissionsOf takes permissions from a role.
func (tx *Tx) DeleteRolePermissionsOf(ctx context.Context, role string, permissions []string) error {
	return tx.deleteAll(ctx, deleteRolePermissions, role, permissions)
}

// PermissionsBySlug returns the permissions of a workspace with these folded slugs, in no
// order.
func (tx *Tx) PermissionsBySlug(
	ctx context.Context, workspace string, folded []string,
) (found []read.Permission, err error) {
	for some := range slices.Chunk(folded, batch) {
		rows, err := tx.checked.QueryContext(ctx, permissionsBySlug,
			append([]any{workspace}, padded(some)...)...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var p read.Permission
			if err := rows.Scan(&p.ID, &p.WorkspaceID, &p.Name, &p.Slug, &p.SlugFolded,
				&p.Description, &p.Search); err != nil {
				return nil, err
			}
			found = append(found, p)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// HashesTaken returns those of the hashes that keys have.
func (tx *Tx) HashesTaken(ctx context.Context, hashes []string) (map[string]bool, error) {
	taken := map[string]bool{}
	for some := range slices.Chunk(hashes, batch) {
		rows, err := tx.checked.QueryContext(ctx, hashesTaken, padded(some)...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var hash string
			if err := rows.Scan(&hash); err != nil {
				return nil, err
			}
			taken[hash] = true
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// insertAll inserts rows with the text for batches, and those left over one by one.
func insertAll[T any](
	ctx context.Context, tx *Tx, text string, rows []T,
	args func(T) []any, one func(context.Context, T) error,
) error {
	for ; len(rows) >= batch; rows = rows[batch:] {
		var all []any
		for _, row := range rows[:batch] {
			all = append(all, args(row)...)
		}
		tx.wrote = true
		if _, err := tx.checked.ExecContext(ctx, text, all...); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if err := one(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) deleteAll(ctx context.Context, text, owner string, ids []string) error {
	for some := range slices.Chunk(ids, batch) {
		tx.wrote = true
		_, err := tx.checked.ExecContext(ctx, text, append([]any{owner}, padded(some)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// padded returns texts as the parameters of a batch. To those missing it gives the last
// one.
func padded(some []string) []any {
	all := make([]any, batch)
	for i := range all {
		all[i] = some[min(i, len(some)-1)]
	}
	return all
}
