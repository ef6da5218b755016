package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// listAudit shows the audit log.
type listAudit struct {
	Paging
	Event  string `placeholder:"EVENT" help:"Only changes of this kind, for example key.create."`
	Actor  string `placeholder:"KEY" help:"Only changes by the root key with this id or name."`
	Target string `placeholder:"ID" help:"Only changes of the thing with this id or name."`
	Since  since  `placeholder:"TIME" help:"Only changes since then: 24h, 7d, 2027-01-31."`
	Follow bool   `short:"f" help:"Keep showing new changes, oldest first, until Ctrl-C."`
}

// Help are the examples of latchkey audit list --help.
func (listAudit) Help() string {
	return `Examples:

    latchkey audit list --since 24h --event root_key.create
    latchkey --json audit list --follow`
}

// since is a time in the past.
type since struct{ time.Time }

// UnmarshalText reads 24h or 2027-01-31.
func (s *since) UnmarshalText(text []byte) error {
	now := time.Now()
	t, err := parseTime(string(text), now)
	if ahead := t.Sub(now); err == nil && ahead > 0 {
		t = now.Add(-ahead)
	}
	s.Time = t
	return err
}

// Run shows the newest records, and then those that follow.
func (c *listAudit) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if c.Follow {
		return c.follow(ctx, a, client)
	}
	out := a.listing("auditLogs.listAuditLogs", c.All)
	shown := 0
	for log, err := range client.AuditLogs.All(ctx, latchkey.ListAuditLogsRequest{Event: c.Event}) {
		if err != nil {
			return err
		}
		if shown == c.Count && !c.All || log.Time.Before(c.Since.Time) {
			break
		}
		if !c.selects(log) {
			continue
		}
		if err := out.one(log); err != nil {
			return err
		}
		shown++
	}
	return out.end()
}

// selects reports whether a record passes the filters that the API doesn't have.
func (c *listAudit) selects(log latchkey.AuditLog) bool {
	return (c.Actor == "" || log.Actor.ID == c.Actor || log.Actor.Name == c.Actor) &&
		(c.Target == "" || slices.ContainsFunc(log.Targets, func(t latchkey.AuditTarget) bool {
			return t.ID == c.Target || t.Name == c.Target
		}))
}

// followInterval is the time between two looks at the audit log.
const followInterval = time.Second

// follow shows the records that are new since the last look, oldest first.
func (c *listAudit) follow(ctx context.Context, a *app, client *latchkey.Client) error {
	out := a.listing("auditLogs.listAuditLogs", true)
	newest, err := c.newest(ctx, client)
	for ; err == nil; sleep(ctx, followInterval) {
		var fresh []latchkey.AuditLog
		if fresh, err = c.newSince(ctx, client, newest); err != nil {
			break
		}
		for _, log := range slices.Backward(fresh) {
			if newest = log.ID; c.selects(log) {
				if err := out.one(log); err != nil {
					return err
				}
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// newest returns the id of the newest record, "" if there is none.
func (c *listAudit) newest(ctx context.Context, client *latchkey.Client) (string, error) {
	page, err := client.AuditLogs.List(ctx, latchkey.ListAuditLogsRequest{Event: c.Event, Limit: 1})
	if err != nil || len(page.Data) == 0 {
		return "", err
	}
	return page.Data[0].ID, nil
}

// newSince returns the records after the one with an id, newest first.
func (c *listAudit) newSince(
	ctx context.Context, client *latchkey.Client, id string,
) (fresh []latchkey.AuditLog, err error) {
	for log, err := range client.AuditLogs.All(ctx, latchkey.ListAuditLogsRequest{Event: c.Event}) {
		if err != nil || log.ID == id {
			return fresh, err
		}
		fresh = append(fresh, log)
	}
	return fresh, nil
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// one prints a list of one item.
func (l *listing) one(item any) error {
	text, err := json.Marshal([]any{item})
	if err == nil {
		_, err = l.page(text)
	}
	return err
}

func auditRow(l latchkey.AuditLog) []string {
	return []string{
		date(l.Time), l.Event, l.Actor.ID, l.Actor.Name, l.RemoteIP, l.Description,
	}
}
