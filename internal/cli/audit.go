package cli

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// listAudit shows the audit log.
type listAudit struct {
	Limit int `short:"n" default:"100" help:"How many records to show at most."`
}

// Run shows the newest records.
func (c *listAudit) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	logs, cursor := []latchkey.AuditLog{}, ""
	for more := true; more && len(logs) < c.Limit; {
		page, err := client.AuditLogs.List(ctx, latchkey.ListAuditLogsRequest{
			Limit: min(c.Limit-len(logs), 100), Cursor: cursor,
		})
		if err != nil {
			return err
		}
		logs = append(logs, page.Data...)
		more, cursor = page.Pagination.HasMore, page.Pagination.Cursor
	}
	return printList(a, logs, "TIME EVENT ACTOR ADDRESS WHAT", func(l latchkey.AuditLog) []string {
		actor := l.Actor.Name
		if actor == "" {
			actor = l.Actor.ID
		}
		return []string{date(l.Time), l.Event, actor, l.RemoteIP, l.Description}
	})
}
