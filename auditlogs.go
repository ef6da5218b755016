package latchkey

import (
	"context"
	"iter"
)

// AuditLog is the record of one change: what changed, by whom and from where.
type AuditLog struct {
	// ID identifies the record.
	ID string `json:"id" check:"required"`
	// Time is when the change was made, in unix milliseconds.
	Time Time `json:"time" check:"required"`
	// Event is the kind of change, for example "key.create".
	Event string `json:"event" check:"required"`
	// Description says what happened, for people. Of many targets it names the first.
	Description string `json:"description" check:"required"`
	// Actor is the author of the change.
	Actor AuditActor `json:"actor" check:"required"`
	// Targets are the things that the change affected. A record about permissions or roles has
	// up to 100 that one request created, connected or disconnected.
	Targets []AuditTarget `json:"targets" check:"required"`
	// Changes are the fields that an update changed, with the former and the new values.
	Changes []AuditChange `json:"changes,omitempty"`
	// RemoteIP is the address that the request came from; absent for changes by the service.
	RemoteIP string `json:"remoteIp,omitempty"`
	// UserAgent is the User-Agent header of the request.
	UserAgent string `json:"userAgent,omitempty"`
	// CorrelationID is shared by all records of one request.
	CorrelationID string `json:"correlationId" check:"required"`
}

// AuditActor is the author of a change.
type AuditActor struct {
	// Type is rootkey, or system for changes by the service.
	Type string `json:"type" check:"required"`
	// ID is the root key's id.
	ID string `json:"id" check:"required"`
	// Name is the root key's name.
	Name string `json:"name,omitempty"`
}

// AuditTarget is something that a change affected.
type AuditTarget struct {
	// Type is the kind of thing: api, key, identity, permission, role, ratelimit, ….
	Type string `json:"type" check:"required"`
	// ID identifies it.
	ID string `json:"id" check:"required"`
	// Name is its display name.
	Name string `json:"name,omitempty"`
}

// AuditChange is a field that an update changed. Values of metadata aren't recorded, and
// long values are cut.
type AuditChange struct {
	// Field is the name of the field in the API.
	Field string `json:"field" check:"required"`
	// Before is the former value: text as it is, everything else as JSON; absent if there was
	// none.
	Before string `json:"before,omitempty"`
	// After is the new value, in the same form.
	After string `json:"after,omitempty"`
}

// ListAuditLogsRequest asks for the records of the audit log of the workspace that satisfy
// all filters, newest first.
type ListAuditLogsRequest struct {
	// Limit is the largest number of records in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
	// Event selects one kind of change, for example "key.create".
	Event string `json:"event,omitempty" check:"min=1,max=128"`
	// Actor selects the changes by one actor: the id of a root key, or "system".
	Actor string `json:"actor,omitempty" check:"min=1,max=256"`
	// Target selects the changes of one thing: its id.
	Target string `json:"target,omitempty" check:"min=1,max=256"`
	// After selects the changes that were made then or later, in unix milliseconds.
	After Time `json:"after,omitzero" check:"min=1,max=4102444800000"`
	// Before selects the changes that were made then or earlier, in unix milliseconds.
	Before Time `json:"before,omitzero" check:"min=1,max=4102444800000"`
	// Search selects the records in which this text is somewhere, in any letter case: in the
	// description, in names and ids of actors and targets, in the address, the user agent or
	// the changed values.
	Search string `json:"search,omitempty" check:"min=1,max=256"`
}

// VerifyAuditLogsRequest asks whether the audit log of the workspace is as it was written.
type VerifyAuditLogsRequest struct {
	// Cursor is the cursor of the previous response; leave it out to start with the oldest
	// record.
	Cursor string `json:"cursor,omitempty" check:"min=1,max=64"`
	// Head is the head of an earlier check, kept outside of the service: the chain must still
	// contain it.
	Head string `json:"head,omitempty" check:"min=1,max=128"`
}

// AuditVerification is the result of a check of the audit log.
type AuditVerification struct {
	// Records is how many records this response checked.
	Records int64 `json:"records" check:"required"`
	// Problems are the differences between the records and the chain, at most 100; empty if
	// everything is as it was written.
	Problems []AuditProblem `json:"problems" check:"required"`
	// Unsealed is how many of the newest records are not in the chain yet, at most 1,000. They
	// can't be checked. Only the last response has them.
	Unsealed int64 `json:"unsealed,omitempty"`
	// Head is the end of the chain: keep it for the next check. Only the last response has it.
	Head string `json:"head,omitempty"`
	// DroppedBefore is the time up to which records were deleted because of their age.
	DroppedBefore Time `json:"droppedBefore,omitzero"`
	// Cursor is where the next request continues; absent in the last response.
	Cursor string `json:"cursor,omitempty"`
}

// AuditProblem is a difference between the audit log and its chain.
type AuditProblem struct {
	// Kind is the kind of difference.
	Kind AuditProblemKind `json:"kind" check:"required,enum=edited|removed|added|chain"`
	// RecordID identifies the record.
	RecordID string `json:"recordId,omitempty"`
	// Time is about when the record was written, in unix milliseconds.
	Time Time `json:"time,omitzero"`
	// Message says what is wrong, for people.
	Message string `json:"message" check:"required"`
}

// AuditProblemKind is a kind of difference between the audit log and its chain.
type AuditProblemKind string

// The kinds of differences.
const (
	AuditRecordEdited  AuditProblemKind = "edited"  // it isn't what was written
	AuditRecordRemoved AuditProblemKind = "removed" // it was written and is missing
	AuditRecordAdded   AuditProblemKind = "added"   // it wasn't written
	AuditChainChanged  AuditProblemKind = "chain"   // the chain itself was changed
)

// AuditLogs are the operations on the audit log.
type AuditLogs struct{ c *Client }

// List reads one page of the audit log of the workspace, newest first.
func (s AuditLogs) List(
	ctx context.Context, r ListAuditLogsRequest, opts ...CallOption,
) (Page[AuditLog], error) {
	return list[AuditLog](ctx, s.c, "auditLogs.listAuditLogs", &r, opts)
}

// All iterates over the audit log of the workspace, newest first, page after page.
func (s AuditLogs) All(
	ctx context.Context, r ListAuditLogsRequest, opts ...CallOption,
) iter.Seq2[AuditLog, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[AuditLog], error) {
		next := r
		next.Cursor = cursor
		return s.List(ctx, next, opts...)
	})
}

// Verify checks a part of the audit log of the workspace: see [AuditVerification].
func (s AuditLogs) Verify(
	ctx context.Context, r VerifyAuditLogsRequest, opts ...CallOption,
) (AuditVerification, error) {
	return call[AuditVerification](ctx, s.c, "auditLogs.verifyAuditLogs", &r, opts)
}
