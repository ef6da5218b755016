package latchkey

import (
	"context"
	"iter"
)

// AuditLog records one change: what, by whom, from where.
type AuditLog struct {
	// ID is Latchkey's name for the record.
	ID string `json:"id" check:"required"`
	// Time is when the change was made, in unix milliseconds.
	Time Time `json:"time" check:"required"`
	// Event is the kind of change, for example "key.create".
	Event string `json:"event" check:"required"`
	// Description says what happened, for people.
	Description string `json:"description" check:"required"`
	// Actor is who made the change.
	Actor AuditActor `json:"actor" check:"required"`
	// Targets are what was changed.
	Targets []AuditTarget `json:"targets" check:"required"`
	// RemoteIP is the address the request came from; absent for the service's own changes.
	RemoteIP string `json:"remoteIp,omitempty"`
	// UserAgent is what the request said it was sent by.
	UserAgent string `json:"userAgent,omitempty"`
	// CorrelationID is shared by all records of one request.
	CorrelationID string `json:"correlationId" check:"required"`
}

// AuditActor is who made a change.
type AuditActor struct {
	// Type is rootkey, or system for the service's own changes.
	Type string `json:"type" check:"required"`
	// ID is the root key's id.
	ID string `json:"id" check:"required"`
	// Name is the root key's name.
	Name string `json:"name,omitempty"`
}

// AuditTarget is what a change was made to.
type AuditTarget struct {
	// Type is what it is: api, key, identity, permission, role, ratelimit, ….
	Type string `json:"type" check:"required"`
	// ID is Latchkey's name for it.
	ID string `json:"id" check:"required"`
	// Name is its name for people.
	Name string `json:"name,omitempty"`
}

// ListAuditLogsRequest asks for the audit log of the workspace, newest first.
type ListAuditLogsRequest struct {
	// Limit is how many records a page holds at most.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is where the page begins: the cursor of the page before.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Event keeps one kind of change, for example "key.create".
	Event string `json:"event,omitempty" check:"min=1,max=128"`
}

// AuditLogs are the operations on the audit log.
type AuditLogs struct{ c *Client }

// List reads one page of the audit log of the workspace, newest first.
func (s AuditLogs) List(ctx context.Context, r ListAuditLogsRequest, opts ...CallOption) (Page[AuditLog], error) {
	return list[AuditLog](ctx, s.c, "auditLogs.listAuditLogs", &r, opts)
}

// All walks the audit log of the workspace, newest first, page after page.
func (s AuditLogs) All(ctx context.Context, r ListAuditLogsRequest, opts ...CallOption) iter.Seq2[AuditLog, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[AuditLog], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}
