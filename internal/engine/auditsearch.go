package engine

import (
	"context"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// auditSearch finds the records of a request. It walks one index, newest first, and compares
// what the index doesn't select.
type auditSearch struct {
	db        *store.DB
	workspace string
	r         *latchkey.ListAuditLogsRequest
	text      string // in lower case
	oldest    int64  // the place of the first record that can be in the selected time
	looked    int    // records that were compared
	stopped   int64  // the place to continue at after maxLooked records; 0 if there was no need
}

func (e *Engine) searchAudit(workspace string, r *latchkey.ListAuditLogsRequest) *auditSearch {
	return &auditSearch{
		db: e.db, workspace: workspace, r: r, text: strings.ToLower(r.Search),
		oldest: milliOrZero(r.After) * 1000, // no record is before the microsecond of its time
	}
}

// auditAtOnce is how many records a search compares at once; one can take 20 KB.
const auditAtOnce = 100

// next returns the records from a place on that match, at most that many. It returns fewer if
// there are no more, or if it stopped.
func (s *auditSearch) next(ctx context.Context, from, most int64) ([]read.AuditLog, error) {
	if s.selectsAll() {
		return s.walk(ctx, from, most)
	}
	var found []read.AuditLog
	for {
		rows, err := s.walk(ctx, from, auditAtOnce)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if s.looked == maxLooked {
				s.stopped = row.Seq
				return found, nil
			}
			s.looked++
			matches, err := s.matches(row)
			if err != nil {
				return nil, err
			}
			if matches {
				found = append(found, row)
			}
			if int64(len(found)) == most {
				return found, nil
			}
			from = row.Seq - 1
		}
		if len(rows) < auditAtOnce {
			return found, nil
		}
	}
}

// walk reads records from a place on, in the order of the index that selects the fewest.
func (s *auditSearch) walk(ctx context.Context, from, most int64) ([]read.AuditLog, error) {
	switch {
	case s.r.Actor != "":
		return s.db.AuditLogsOfActor(ctx, read.AuditLogsOfActorParams{
			WorkspaceID: s.workspace, ActorID: s.r.Actor, FromSeq: from, ToSeq: s.oldest, Most: most,
		})
	case s.r.Event != "":
		return s.db.AuditLogsOfEvent(ctx, read.AuditLogsOfEventParams{
			WorkspaceID: s.workspace, Event: s.r.Event, FromSeq: from, ToSeq: s.oldest, Most: most,
		})
	}
	return s.db.AuditLogsPage(ctx, read.AuditLogsPageParams{
		WorkspaceID: s.workspace, FromSeq: from, ToSeq: s.oldest, Most: most,
	})
}

// selectsAll reports whether all records that walk reads match.
func (s *auditSearch) selectsAll() bool {
	r := s.r
	return r.Target == "" && r.After.IsZero() && r.Before.IsZero() && r.Search == "" &&
		(r.Actor == "" || r.Event == "")
}

// matches reports whether a record satisfies the filters of the request.
func (s *auditSearch) matches(row read.AuditLog) (bool, error) {
	r := s.r
	if r.Event != "" && row.Event != r.Event ||
		!r.After.IsZero() && row.Time < r.After.UnixMilli() ||
		!r.Before.IsZero() && row.Time > r.Before.UnixMilli() {
		return false, nil
	}
	if r.Target == "" && s.text == "" {
		return true, nil
	}
	log, err := auditLogOf(row)
	if err != nil {
		return false, err
	}
	return (r.Target == "" || hasTarget(log, r.Target)) &&
		(s.text == "" || strings.Contains(auditText(&log), s.text)), nil
}

func hasTarget(log latchkey.AuditLog, id string) bool {
	for _, target := range log.Targets {
		if target.ID == id {
			return true
		}
	}
	return false
}

// auditText returns the text of a record that searches match.
func auditText(log *latchkey.AuditLog) string {
	fields := []string{
		log.Event, log.Description, log.Actor.ID, log.Actor.Name, log.RemoteIP, log.UserAgent,
		log.CorrelationID,
	}
	for _, target := range log.Targets {
		fields = append(fields, target.ID, target.Name)
	}
	for _, change := range log.Changes {
		fields = append(fields, change.Field, change.Before, change.After)
	}
	return searchText(fields...)
}
