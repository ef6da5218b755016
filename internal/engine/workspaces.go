package engine

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateWorkspace creates an empty workspace. It has no root key; the operator
// creates its first one with rootKeys.createRootKey.
//
// Only the operator can call it. Names need not be unique.
func (e *Engine) CreateWorkspace(
	ctx context.Context, who Caller, r *latchkey.CreateWorkspaceRequest,
) (latchkey.CreatedWorkspace, error) {
	work := func(ctx context.Context, c *Change) (latchkey.CreatedWorkspace, error) {
		id := NewID("ws")
		if err := c.insertWorkspace(ctx, id, r.Name, nullable(r.RequestsPerMinute)); err != nil {
			return latchkey.CreatedWorkspace{}, err
		}
		return latchkey.CreatedWorkspace{WorkspaceID: id}, nil
	}
	return change(ctx, e, who, work)
}

// insertWorkspace creates an enabled workspace.
func (c *Change) insertWorkspace(
	ctx context.Context, id, name string, requestsPerMinute sql.NullInt64,
) error {
	c.invalidate(id)
	c.auditIn(id, workspaceCreated, workspaceTarget(id, name))
	return c.tx.InsertWorkspace(ctx, write.InsertWorkspaceParams{
		ID: id, Name: name, Search: searchText(id, name), Enabled: true,
		RequestsPerMinute: requestsPerMinute, CreatedAt: c.now,
	})
}

// GetWorkspace returns a workspace. Only the operator can call it. A deleted
// workspace returns the same 404 as one that does not exist.
func (e *Engine) GetWorkspace(
	ctx context.Context, who Caller, r *latchkey.GetWorkspaceRequest,
) (latchkey.Workspace, error) {
	row, err := e.db.Workspace(ctx, r.WorkspaceID)
	if err != nil {
		return latchkey.Workspace{}, orNotFound(err, workspaceNotFound())
	}
	return workspaceOf(row)
}

// ListWorkspaces returns one page of the workspaces of the installation, in the
// order of their ids, without deleted ones. Only the operator can call it.
func (e *Engine) ListWorkspaces(
	ctx context.Context, who Caller, r *latchkey.ListWorkspacesRequest,
) (latchkey.Page[latchkey.Workspace], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.Workspace) string { return row.ID },
		func(cursor string, most int64) ([]read.Workspace, error) {
			return e.db.WorkspacesPage(ctx, cursor, searchPattern(r.Search), most)
		}, eachOr(workspaceOf))
}

// UpdateWorkspace renames, enables or disables a workspace or sets its request
// limit or its quotas, and returns it. While a workspace is disabled, its root keys are
// rejected and its keys verify as FORBIDDEN, from the next request on.
//
// Only the operator can call it. An unknown or deleted workspace returns 404.
// Disabling the caller's own workspace returns 412, because nobody could undo
// it.
func (e *Engine) UpdateWorkspace(
	ctx context.Context, who Caller, r *latchkey.UpdateWorkspaceRequest,
) (latchkey.Workspace, error) {
	if r.WorkspaceID == who.WorkspaceID() && !r.Enabled.Or(true) {
		return latchkey.Workspace{}, errProtected.with(
			"A root key can't disable its own workspace.",
		)
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.Workspace, error) {
		row, err := c.tx.Workspace(ctx, r.WorkspaceID)
		if err != nil {
			return latchkey.Workspace{}, orNotFound(err, workspaceNotFound())
		}
		before, err := workspaceOf(row)
		if err != nil {
			return latchkey.Workspace{}, err
		}
		row.Name = r.Name.Or(row.Name)
		row.Enabled = r.Enabled.Or(row.Enabled)
		if !r.RequestsPerMinute.IsZero() {
			row.RequestsPerMinute = nullable(r.RequestsPerMinute)
		}
		if row.Quotas, err = changeQuotas(row.Quotas, r.Quotas.Or(latchkey.Quotas{})); err != nil {
			return latchkey.Workspace{}, fmt.Errorf("workspace %s: %w", row.ID, err)
		}
		after, err := workspaceOf(row)
		if err != nil {
			return latchkey.Workspace{}, err
		}
		c.invalidate(row.ID)
		c.alsoIn(row.ID,
			c.auditUpdate(workspaceUpdated, before, after, workspaceTarget(row.ID, row.Name)))
		err = c.tx.UpdateWorkspace(ctx, write.UpdateWorkspaceParams{
			ID: row.ID, Name: row.Name, Search: searchText(row.ID, row.Name),
			Enabled: row.Enabled, RequestsPerMinute: row.RequestsPerMinute,
			Quotas: row.Quotas,
		})
		return after, err
	})
}

// DeleteWorkspace deletes a workspace. From the next request on, its root keys
// are rejected and its keys verify as NOT_FOUND. This cannot be undone.
//
// Only the operator can call it. An unknown or deleted workspace returns 404.
// Deleting the caller's own workspace returns 412, because nobody could undo
// it.
func (e *Engine) DeleteWorkspace(
	ctx context.Context, who Caller, r *latchkey.DeleteWorkspaceRequest,
) error {
	if r.WorkspaceID == who.WorkspaceID() {
		return errProtected.with("A root key can't delete its own workspace.")
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.Workspace(ctx, r.WorkspaceID)
		if err != nil {
			return orNotFound(err, workspaceNotFound())
		}
		c.invalidate(row.ID)
		c.audit(workspaceDeleted, workspaceTarget(row.ID, row.Name))
		return c.tx.MarkWorkspaceDeleted(ctx, row.ID, c.now)
	})
}

func workspaceOf(row read.Workspace) (latchkey.Workspace, error) {
	allowed, err := effectiveQuotas(row.Quotas)
	if err != nil {
		return latchkey.Workspace{}, fmt.Errorf("workspace %s: %w", row.ID, err)
	}
	w := latchkey.Workspace{
		ID: row.ID, Name: row.Name, Enabled: row.Enabled, Quotas: allowed,
		CreatedAt: latchkey.AtMilli(row.CreatedAt),
	}
	if row.RequestsPerMinute.Valid {
		w.RequestsPerMinute = latchkey.Set(row.RequestsPerMinute.Int64)
	}
	return w, nil
}

func workspaceNotFound() *latchkey.Error {
	return errWorkspaceNotFound.with("This workspace does not exist.")
}

func workspaceTarget(id, name string) latchkey.AuditTarget {
	return target("workspace", id, name)
}

// resolveWorkspace returns the id of the workspace that a request names. The
// default is the caller's own; only the operator can name another one.
func (c *Caller) resolveWorkspace(
	ctx context.Context, id string, requireWhen func(latchkey.Condition, ids) error,
	find func(context.Context, string) (read.Workspace, error),
) (string, error) {
	if id == "" || id == c.WorkspaceID() {
		return c.WorkspaceID(), nil
	}
	if err := requireWhen(latchkey.WhenOtherWorkspace, everything); err != nil {
		return "", err
	}
	if _, err := find(ctx, id); err != nil {
		return "", orNotFound(err, workspaceNotFound())
	}
	return id, nil
}
