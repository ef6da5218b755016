package latchkey

import (
	"context"
	"iter"
)

// Workspace is a tenant: nothing in one can be seen or touched from another.
type Workspace struct {
	// ID is Latchkey's name for the workspace.
	ID string `json:"id" check:"required"`
	// Name is for people.
	Name string `json:"name" check:"required"`
	// Enabled is false while the workspace is switched off: its root keys are refused and its keys answer FORBIDDEN.
	Enabled bool `json:"enabled" check:"required"`
	// RequestsPerMinute bounds the API requests of the workspace; absent for no bound.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero"`
	// CreatedAt is when the workspace was made, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
}

// CreateWorkspaceRequest asks for a new, empty workspace.
type CreateWorkspaceRequest struct {
	// Name is for people.
	Name string `json:"name" check:"required,min=1,max=256"`
	// RequestsPerMinute bounds the API requests of the workspace; absent for no bound, 0 refuses all.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero" check:"null,min=0"`
}

// CreatedWorkspace is the answer to [CreateWorkspaceRequest].
type CreatedWorkspace struct {
	// WorkspaceID names the new workspace.
	WorkspaceID string `json:"workspaceId" check:"required"`
}

// ListWorkspacesRequest asks for the workspaces of the installation, page by page.
type ListWorkspacesRequest struct {
	// Limit is how many workspaces a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Search keeps the workspaces whose id or name contains this text, in any letter case.
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
	// Name is for people.
	Name Opt[string] `json:"name,omitzero" check:"min=1,max=256"`
	// Enabled switches the workspace on or off.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// RequestsPerMinute bounds the API requests of the workspace; null for no bound, 0 refuses all.
	RequestsPerMinute Opt[int64] `json:"requestsPerMinute,omitzero" check:"null,min=0"`
}

// DeleteWorkspaceRequest asks to delete a workspace: none of its keys or root keys works from then on.
type DeleteWorkspaceRequest struct {
	// WorkspaceID is the workspace to delete.
	WorkspaceID string `json:"workspaceId" check:"required,min=3,max=255,pattern=id"`
}

// Workspaces are the operator's operations on workspaces.
type Workspaces struct{ c *Client }

// Create makes a new, empty workspace.
func (s Workspaces) Create(ctx context.Context, r CreateWorkspaceRequest, opts ...CallOption) (CreatedWorkspace, error) {
	return call[CreatedWorkspace](ctx, s.c, "workspaces.createWorkspace", &r, opts)
}

// List reads one page of the workspaces of the installation.
func (s Workspaces) List(ctx context.Context, r ListWorkspacesRequest, opts ...CallOption) (Page[Workspace], error) {
	return list[Workspace](ctx, s.c, "workspaces.listWorkspaces", &r, opts)
}

// All walks the workspaces of the installation, page after page.
func (s Workspaces) All(ctx context.Context, r ListWorkspacesRequest, opts ...CallOption) iter.Seq2[Workspace, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Workspace], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Get reads one workspace.
func (s Workspaces) Get(ctx context.Context, r GetWorkspaceRequest, opts ...CallOption) (Workspace, error) {
	return call[Workspace](ctx, s.c, "workspaces.getWorkspace", &r, opts)
}

// Update changes a workspace and returns it.
func (s Workspaces) Update(ctx context.Context, r UpdateWorkspaceRequest, opts ...CallOption) (Workspace, error) {
	return call[Workspace](ctx, s.c, "workspaces.updateWorkspace", &r, opts)
}

// Delete deletes a workspace: none of its keys or root keys works from then on.
func (s Workspaces) Delete(ctx context.Context, r DeleteWorkspaceRequest, opts ...CallOption) error {
	return do(ctx, s.c, "workspaces.deleteWorkspace", &r, opts)
}
