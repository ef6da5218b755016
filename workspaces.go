package latchkey

import (
	"context"
	"iter"
)

// Workspace is a tenant. Nothing in it can be seen or changed from another one.
type Workspace struct {
	// ID identifies the workspace.
	ID string `json:"id" check:"required"`
	// Name is a display name.
	Name string `json:"name" check:"required"`
	// Enabled is false while the workspace is disabled: its root keys are refused, and its keys verify
	// as FORBIDDEN.
	Enabled bool `json:"enabled" check:"required"`
	// RequestsPerMinute bounds the API requests of the workspace; absent for no bound.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero"`
	// Quotas are how many objects of each kind the workspace can have.
	Quotas Quotas `json:"quotas" check:"required"`
	// CreatedAt is when the workspace was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
}

// Quotas are how many objects of each kind a workspace can have. A change that would make
// more gets 403 workspace_quota_exceeded. Lowering a quota deletes nothing.
type Quotas struct {
	// Keys is the number of keys; 1,000,000 by default.
	Keys Opt[int64] `json:"keys,omitzero" check:"null,min=0"`
	// Identities is the number of identities; 1,000,000 by default.
	Identities Opt[int64] `json:"identities,omitzero" check:"null,min=0"`
	// Permissions is the number of permissions; 100,000 by default.
	Permissions Opt[int64] `json:"permissions,omitzero" check:"null,min=0"`
	// Roles is the number of roles; 10,000 by default.
	Roles Opt[int64] `json:"roles,omitzero" check:"null,min=0"`
	// Namespaces is the number of rate limit namespaces, including deleted ones, whose names
	// stay taken; 10,000 by default.
	Namespaces Opt[int64] `json:"namespaces,omitzero" check:"null,min=0"`
	// RootKeys is the number of root keys; 1,000 by default. It doesn't bind the operator in
	// another workspace.
	RootKeys Opt[int64] `json:"rootKeys,omitzero" check:"null,min=0"`
	// APIs is the number of APIs; 10,000 by default.
	APIs Opt[int64] `json:"apis,omitzero" check:"null,min=0"`
	// PortalSessions is the number of portal sessions, of which each ends within a day; 100,000 by
	// default.
	PortalSessions Opt[int64] `json:"portalSessions,omitzero" check:"null,min=0"`
	// Webhooks is the number of webhooks; 20 by default.
	Webhooks Opt[int64] `json:"webhooks,omitzero" check:"null,min=0"`
	// Budgets is the number of budgets; 10,000 by default.
	Budgets Opt[int64] `json:"budgets,omitzero" check:"null,min=0"`
	// Reservations is the number of open reservations; 1,000,000 by default.
	Reservations Opt[int64] `json:"reservations,omitzero" check:"null,min=0"`
}

// CreateWorkspaceRequest asks for a new, empty workspace.
type CreateWorkspaceRequest struct {
	// Name is a display name.
	Name string `json:"name" check:"required,min=1,max=256"`
	// RequestsPerMinute bounds the API requests of the workspace; absent for no bound, 0 refuses all
	// of them.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero" check:"null,min=0"`
}

// CreatedWorkspace is the response to [CreateWorkspaceRequest].
type CreatedWorkspace struct {
	// WorkspaceID identifies the new workspace.
	WorkspaceID string `json:"workspaceId" check:"required"`
}

// ListWorkspacesRequest asks for one page of the workspaces of the installation.
type ListWorkspacesRequest struct {
	// Limit is the largest number of workspaces in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the workspaces whose id or name contains this text, ignoring case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// GetWorkspaceRequest asks for one workspace.
type GetWorkspaceRequest struct {
	// WorkspaceID is the workspace to read.
	WorkspaceID string `json:"workspaceId" check:"required,min=3,max=255,pattern=id"`
}

// UpdateWorkspaceRequest changes a workspace. Absent fields stay as they are.
type UpdateWorkspaceRequest struct {
	// WorkspaceID is the workspace to change.
	WorkspaceID string `json:"workspaceId" check:"required,min=3,max=255,pattern=id"`
	// Name is a display name.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=256"`
	// Enabled enables or disables the workspace.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// RequestsPerMinute bounds the API requests of the workspace; null for no bound, 0 refuses all of
	// them.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero" check:"null,min=0"`
	// Quotas sets quotas of the workspace; those left out stay as they are, null restores the
	// default.
	Quotas Opt[Quotas] `json:"quotas,omitzero"`
}

// DeleteWorkspaceRequest asks to delete a workspace. Its keys and root keys stop working at once.
type DeleteWorkspaceRequest struct {
	// WorkspaceID is the workspace to delete.
	WorkspaceID string `json:"workspaceId" check:"required,min=3,max=255,pattern=id"`
}

// Workspaces are the operator's operations on workspaces, and the limits and the usage of the
// caller's own.
type Workspaces struct{ c *Client }

// Create creates a new, empty workspace.
func (s Workspaces) Create(
	ctx context.Context, r CreateWorkspaceRequest, opts ...CallOption,
) (CreatedWorkspace, error) {
	return call[CreatedWorkspace](ctx, s.c, "workspaces.createWorkspace", &r, opts)
}

// List reads one page of the workspaces of the installation.
func (s Workspaces) List(
	ctx context.Context, r ListWorkspacesRequest, opts ...CallOption,
) (Page[Workspace], error) {
	return list[Workspace](ctx, s.c, "workspaces.listWorkspaces", &r, opts)
}

// All iterates over the workspaces of the installation, page after page.
func (s Workspaces) All(
	ctx context.Context, r ListWorkspacesRequest, opts ...CallOption,
) iter.Seq2[Workspace, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Workspace], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Get reads one workspace.
func (s Workspaces) Get(
	ctx context.Context, r GetWorkspaceRequest, opts ...CallOption,
) (Workspace, error) {
	return call[Workspace](ctx, s.c, "workspaces.getWorkspace", &r, opts)
}

// Update changes a workspace and returns it.
func (s Workspaces) Update(
	ctx context.Context, r UpdateWorkspaceRequest, opts ...CallOption,
) (Workspace, error) {
	return call[Workspace](ctx, s.c, "workspaces.updateWorkspace", &r, opts)
}

// Delete deletes a workspace. Its keys and root keys stop working at once.
func (s Workspaces) Delete(
	ctx context.Context, r DeleteWorkspaceRequest, opts ...CallOption,
) error {
	return do(ctx, s.c, "workspaces.deleteWorkspace", &r, opts)
}
