package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// ListAuditLogs returns the records of the audit log of the workspace that satisfy
// all filters of the request, newest first, page by page. The log has a record of
// every change as soon as the change's response is sent, and one of every response
// with decrypted keys. It has no records of other reads and of rejected requests.
// What the operator does in another workspace is in the log of both.
//
// One of the filters event and actor is looked up; the others are compared.
// A page looks at no more than 2,000 records, so with filters that few records
// satisfy, a page can have fewer records than its limit, or none, although there are
// more: continue until hasMore is false.
//
// The root key needs audit_log.*.read_audit_log. A cursor that did not come
// from a page of this list returns 400.
func (e *Engine) ListAuditLogs(
	ctx context.Context, who Caller, r *latchkey.ListAuditLogsRequest,
) (latchkey.Page[latchkey.AuditLog], error) {
	search := e.searchAudit(who.WorkspaceID(), r)
	place := func(row read.AuditLog) string { return strconv.FormatInt(row.Seq, 10) }
	page, err := pageOf(r.Cursor, pageSize(r.Limit, 100), place,
		func(cursor string, most int64) ([]read.AuditLog, error) {
			from, err := auditPlace(cursor)
			if err != nil {
				return nil, err
			}
			return search.next(ctx, from, most)
		}, eachOr(auditLogOf))
	if search.stopped != 0 && !page.Pagination.HasMore {
		page.Pagination = latchkey.Pagination{
			HasMore: true, Cursor: strconv.FormatInt(search.stopped, 10),
		}
	}
	return page, err
}

// auditPlace parses a cursor: the sequence number of the first record of the
// page.
func auditPlace(cursor string) (int64, error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	place, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		return 0, invalid(latchkey.Fault{
			Location: "/properties/cursor",
			Message:  "cursor must be the cursor of a page of this list",
			Fix:      "Leave it out to start with the newest record.",
		})
	}
	return place, nil
}

func auditLogOf(row read.AuditLog) (latchkey.AuditLog, error) {
	log := latchkey.AuditLog{
		ID: row.ID, Time: latchkey.AtMilli(row.Time), Event: row.Event,
		Description: row.Description,
		Actor:       latchkey.AuditActor{Type: row.ActorType, ID: row.ActorID, Name: row.ActorName},
		RemoteIP:    row.RemoteIP, UserAgent: row.UserAgent, CorrelationID: row.CorrelationID,
	}
	if err := json.Unmarshal([]byte(row.Targets), &log.Targets); err != nil {
		return latchkey.AuditLog{}, fmt.Errorf("audit log %s: targets: %w", row.ID, err)
	}
	if row.Changes != "" {
		if err := json.Unmarshal([]byte(row.Changes), &log.Changes); err != nil {
			return latchkey.AuditLog{}, fmt.Errorf("audit log %s: changes: %w", row.ID, err)
		}
	}
	return log, nil
}
