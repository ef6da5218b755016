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
	Actor  string `placeholder:"ID" help:"Only changes by the root key with this id, or by system."`
	Target string `placeholder:"ID" help:"Only changes of the thing with this id."`
	Search string `placeholder:"TEXT" help:"Only records with this text, for example the name of a thing or an address."`
	Since  since  `placeholder:"TIME" help:"Only changes since then: 24h, 7d, 2027-01-31."`
	Until  since  `placeholder:"TIME" help:"Only changes until then."`
	Follow bool   `short:"f" help:"Keep showing new changes, oldest first, until Ctrl-C."`
}

// request returns the request for the records that the flags select.
func (c *listAudit) request() latchkey.ListAuditLogsRequest {
	return latchkey.ListAuditLogsRequest{
		Event: c.Event, Actor: c.Actor, Target: c.Target, Search: c.Search,
		After: latchkey.At(c.Since.Time), Before: latchkey.At(c.Until.Time),
	}
}

// Help are the examples of latchkey audit list --help.
func (listAudit) Help() string {
	return `Examples:

    latchkey audit list --since 24h --event root_key.reset
    latchkey audit list --target key_4XkTz9 --since 2027-01-01 --until 2027-01-31
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
	for log, err := range client.AuditLogs.All(ctx, c.request()) {
		if err != nil {
			return err
		}
		if shown == c.Count && !c.All {
			break
		}
		if err := out.one(log); err != nil {
			return err
		}
		shown++
	}
	return out.end()
}

// followInterval is the time between two looks at the audit log, and followOverlap how far
// each looks back before the newest record of the one before: the clocks of nodes differ.
const (
	followInterval = time.Second
	followOverlap  = time.Minute
)

// follow shows the records that are new since the last look, oldest first.
func (c *listAudit) follow(ctx context.Context, a *app, client *latchkey.Client) error {
	out := a.listing("auditLogs.listAuditLogs", true)
	newest, err := c.newest(ctx, client)
	var seen map[string]bool // what the last look found
	for first := true; err == nil; sleep(ctx, followInterval) {
		at := newest
		if newest, err = c.newest(ctx, client); err != nil {
			break
		}
		var found []latchkey.AuditLog
		if found, err = c.foundSince(ctx, client, at); err != nil {
			break
		}
		last := seen
		seen = make(map[string]bool, len(found))
		for _, log := range slices.Backward(found) {
			seen[log.ID] = true
			if first || last[log.ID] {
				continue
			}
			if err := out.one(log); err != nil {
				return err
			}
		}
		first = false
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// newest returns the time of the newest record, zero if there is none.
func (c *listAudit) newest(ctx context.Context, client *latchkey.Client) (latchkey.Time, error) {
	page, err := client.AuditLogs.List(ctx, latchkey.ListAuditLogsRequest{Limit: 1})
	if err != nil || len(page.Data) == 0 {
		return latchkey.Time{}, err
	}
	return page.Data[0].Time, nil
}

// foundSince returns the selected records since a time and shortly before it, newest first.
func (c *listAudit) foundSince(
	ctx context.Context, client *latchkey.Client, at latchkey.Time,
) (found []latchkey.AuditLog, err error) {
	request := c.request()
	if !at.IsZero() {
		request.After = latchkey.At(at.Add(-followOverlap))
	}
	for log, err := range client.AuditLogs.All(ctx, request) {
		if err != nil {
			return nil, err
		}
		found = append(found, log)
	}
	return found, nil
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
