package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// EventFlags are the flags that select events.
type EventFlags struct {
	Kind       string `json:"kind,omitempty" enum:"verifications,ratelimits" default:"verifications" help:"What happened: ${enum}."`
	API        apiID  `name:"api" json:"apiId,omitempty" complete:"apis.listApis name" placeholder:"API" help:"Only keys of the API with this id or name."`
	Key        string `json:"keyId,omitempty" placeholder:"ID" help:"Only the key with this id."`
	Customer   string `json:"externalId,omitempty" placeholder:"EXTERNAL-ID" help:"Only keys of the identity with this external id."`
	Identity   string `json:"identityId,omitempty" placeholder:"ID" help:"Only keys of the identity with this id."`
	Namespace  string `json:"namespace,omitempty" complete:"ratelimit.listNamespaces name" placeholder:"NAMESPACE" help:"Only rate limits of the namespace with this id or name."`
	Identifier string `json:"identifier,omitempty" placeholder:"TEXT" help:"Only rate limits of this identifier."`
	Tag        string `json:"tag,omitempty" placeholder:"TAG" help:"Only verifications with this tag."`
	Outcome    string `json:"outcome,omitempty" placeholder:"CODE" help:"Only this result: VALID, RATE_LIMITED, …; of rate limits PASSED or DENIED."`
}

// usageCmd shows sums of events.
type usageCmd struct {
	EventFlags
	Month    string   `placeholder:"YYYY-MM" help:"Month to add up (default: this one)."`
	Since    since    `placeholder:"TIME" help:"Begin of the time in place of a month: 24h, 7d, 2027-01-31."`
	Until    since    `placeholder:"TIME" help:"End of the time (default: now)."`
	TimeZone string   `placeholder:"ZONE" help:"Time zone of the month and of intervals, such as Europe/Berlin (default: UTC)."`
	By       []string `enum:"apiId,keyId,identityId,externalId,namespaceId,identifier,tag,outcome" placeholder:"FIELD" help:"Group by this: ${enum}; twice for pairs (default: outcome)."`
	Interval string   `enum:"hour,day,week,month," default:"" placeholder:"INTERVAL" help:"Add up each hour, day, week or month."`
	Top      int      `default:"20" placeholder:"N" help:"Show the N largest groups (default: 20)."`
	CSV      bool     `name:"csv" help:"Print CSV."`
}

// Help are the examples of latchkey usage --help.
func (usageCmd) Help() string {
	return `Adds up verifications of keys, or decisions on rate limits with --kind ratelimits. PASSED
are those that were VALID, or PASSED. The root key needs read_analytics of APIs or namespaces.

Examples:

    latchkey usage --customer acme --month 2026-10 --time-zone Europe/Berlin
    latchkey usage --month 2026-10 --by externalId --top 1000 --csv
    latchkey usage --since 7d --interval day --api payments
    latchkey --json usage --kind ratelimits --namespace uploads --by identifier`
}

// usageTable are sums as rows: of groups, of intervals, or of both.
type usageTable struct {
	header []string
	rows   [][]string
	total  latchkey.UsageSum
	groups int // of which not all need to be in the rows
	shown  int
	lost   int64
}

// Run shows the sums.
func (c *usageCmd) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	if c.API != "" {
		if err := c.API.resolve(ctx, client); err != nil {
			return err
		}
	}
	if c.Month == "" && c.Since.IsZero() {
		c.Month = time.Now().UTC().Format("2006-01")
	}
	answer, t, err := c.totals, &usageTable{}, error(nil)
	if c.Interval != "" {
		answer = c.series
	}
	full, err := answer(ctx, client, t)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.printJSON(full)
	case c.CSV:
		err = t.writeCSV(a)
	default:
		err = t.print(a)
	}
	if t.lost > 0 {
		fmt.Fprintf(a.stderr, "Up to %d events are missing: the service couldn't store them.\n", t.lost)
	}
	if t.shown < t.groups {
		fmt.Fprintf(a.stderr, "Showing %d of %d groups; --top shows more.\n", t.shown, t.groups)
	}
	return err
}

// totals asks for the sums of the whole time.
func (c *usageCmd) totals(
	ctx context.Context, client *latchkey.Client, t *usageTable,
) (any, error) {
	if len(c.By) == 0 {
		c.By = []string{"outcome"}
	}
	request, err := requestFrom[latchkey.UsageTotalsRequest](c)
	if err != nil {
		return nil, err
	}
	report, err := client.Usage.GetTotals(ctx, request)
	t.header = append(headings(c.By), "COUNT", "PASSED", "CREDITS")
	for i := range report.Groups {
		g := &report.Groups[i]
		t.rows = append(t.rows, append(labels(c.By, g), sums(g.Count, g.Passed, g.Credits)...))
	}
	t.total, t.lost = report.Total, report.Dropped
	t.groups, t.shown = report.AllGroups, len(report.Groups)
	return report, err
}

// series asks for the sums of each interval.
func (c *usageCmd) series(
	ctx context.Context, client *latchkey.Client, t *usageTable,
) (any, error) {
	request, err := requestFrom[latchkey.UsageTimeseriesRequest](c)
	if err != nil {
		return nil, err
	}
	request.Interval = c.Interval
	answer, err := client.Usage.GetTimeseries(ctx, request)
	t.header = append(headings(c.By), "TIME", "COUNT", "PASSED", "CREDITS")
	all := answer.Groups
	if len(c.By) == 0 {
		all = []latchkey.UsageGroup{{Data: answer.Data}}
	}
	zone, wrong := time.LoadLocation(c.TimeZone) // "" is UTC
	if wrong != nil {
		zone = time.UTC // of this machine; the service knows the zone
	}
	for i := range all {
		for _, p := range all[i].Data {
			row := append(labels(c.By, &all[i]), p.Time.In(zone).Format(time.RFC3339))
			t.rows = append(t.rows, append(row, sums(p.Count, p.Passed, p.Credits)...))
		}
	}
	t.total, t.lost = answer.Total, answer.Dropped
	t.groups, t.shown = answer.AllGroups, len(answer.Groups)
	return answer, err
}

// requestFrom returns the request of the flags. The types of requests have the same fields.
func requestFrom[Request any](c *usageCmd) (r Request, err error) {
	fields := map[string]any{"timeZone": c.TimeZone, "top": c.Top, "groupBy": c.By}
	if c.Since.IsZero() {
		fields["month"] = c.Month
	} else {
		fields["start"] = latchkey.At(c.Since.Time)
	}
	if !c.Until.IsZero() {
		fields["end"] = latchkey.At(c.Until.Time)
	}
	for _, from := range []any{c.EventFlags, fields} {
		text, err := json.Marshal(from)
		if err != nil {
			return r, err
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// headings are the columns of the fields of a group.
func headings(by []string) []string {
	names := []string{}
	for _, field := range by {
		switch field {
		case "apiId":
			names = append(names, "API")
		case "namespaceId":
			names = append(names, "NAMESPACE")
		default:
			names = append(names, strings.ToUpper(strings.Replace(field, "Id", "-ID", 1)))
		}
	}
	return names
}

// labels are the fields of a group.
func labels(by []string, g *latchkey.UsageGroup) []string {
	of := map[string]string{
		"apiId": g.APIName, "keyId": g.KeyID, "identityId": g.IdentityID,
		"externalId": g.ExternalID, "namespaceId": g.NamespaceName, "identifier": g.Identifier,
		"tag": g.Tag, "outcome": g.Outcome,
	}
	texts := []string{}
	for _, field := range by {
		texts = append(texts, of[field])
	}
	return texts
}

func sums(count, passed, credits int64) []string {
	return []string{
		strconv.FormatInt(count, 10), strconv.FormatInt(passed, 10),
		strconv.FormatInt(credits, 10),
	}
}

// print prints the rows and the total for people.
func (t *usageTable) print(a *app) error {
	total := make([]string, len(t.header)-3)
	if len(total) > 0 {
		total[0] = "total"
	}
	sum := slices.Concat(total, sums(t.total.Count, t.total.Passed, t.total.Credits))
	rows := slices.Concat(t.rows, [][]string{sum})
	return printList(a, rows, strings.Join(t.header, " "), func(row []string) []string { return row })
}

// writeCSV writes the rows for programs. The total is not among them.
func (t *usageTable) writeCSV(a *app) error {
	w := csv.NewWriter(a.stdout)
	if err := w.Write(t.header); err != nil {
		return err
	}
	return w.WriteAll(t.rows)
}

// eventCommands are the commands of single events.
type eventCommands struct {
	List struct {
		Paging
		EventFlags
		Since past   `json:"start,omitzero" placeholder:"TIME" help:"Only since then: 24h, 7d, 2027-01-31."`
		Until past   `json:"end,omitzero" placeholder:"TIME" help:"Only until then."`
		Order string `json:"order,omitempty" enum:"newest,oldest" default:"newest" help:"Which are first: ${enum}."`
	} `cmd:"" op:"usage.listEvents" help:"Show what happened, newest first."`
	Export exportEvents `cmd:"" help:"Write events to a file, oldest first."`
}

// past is a time in the past, as requests have it. Its zero value is left out.
type past struct{ latchkey.Opt[latchkey.Time] }

// UnmarshalText reads 24h or 2027-01-31.
func (p *past) UnmarshalText(text []byte) error {
	var s since
	err := s.UnmarshalText(text)
	p.Opt = latchkey.Set(latchkey.At(s.Time))
	return err
}

// exportEvents writes events as JSON Lines.
type exportEvents struct {
	EventFlags
	File  string `arg:"" optional:"" type:"path" help:"File to write; nothing may be there yet (default: standard output)."`
	Since since  `placeholder:"TIME" help:"Only since then: 24h, 7d, 2027-01-31."`
	Until since  `placeholder:"TIME" help:"Only until then (default: now)."`
}

// Help is the manual of latchkey events export.
func (exportEvents) Help() string {
	return `Writes one JSON object a line, as in the responses of usage.listEvents. Events that happen
meanwhile are not in the file. A workspace can export ten million events an hour.

Examples:

    latchkey events export --since 24h today.jsonl
    latchkey events export --kind ratelimits --namespace uploads | gzip >uploads.jsonl.gz`
}

// Run writes the file.
func (c *exportEvents) Run(ctx context.Context, a *app, client *latchkey.Client) (err error) {
	if c.API != "" {
		if err := c.API.resolve(ctx, client); err != nil {
			return err
		}
	}
	out := a.stdout
	if c.File != "" {
		f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if wrong := f.Close(); err == nil {
				err = wrong
			}
		}()
		out = f
	}
	if c.Until.IsZero() {
		c.Until.Time = time.Now()
	}
	x := &exporter{client: client, out: bufio.NewWriter(out)}
	if err := each(x, client.Usage.AllEvents(ctx, c.request()),
		func(e latchkey.Event) any { return e }); err != nil {
		return fmt.Errorf("after %s: %w", plural(x.lines, "event"), err)
	}
	if err := x.out.Flush(); err != nil || c.File == "" {
		return err
	}
	return a.done("Exported %s to %s.", plural(x.lines, "event"), c.File)
}

// request asks for the largest pages.
func (c *exportEvents) request() latchkey.ListEventsRequest {
	r := latchkey.ListEventsRequest{
		Kind: c.Kind, APIID: string(c.API), KeyID: c.Key, ExternalID: c.Customer,
		IdentityID: c.Identity, Namespace: c.Namespace, Identifier: c.Identifier, Tag: c.Tag,
		Outcome: c.Outcome, Order: "oldest", Limit: 10_000,
		End: latchkey.Set(latchkey.At(c.Until.Time)),
	}
	if !c.Since.IsZero() {
		r.Start = latchkey.Set(latchkey.At(c.Since.Time))
	}
	return r
}

const eventHeader = "TIME OUTCOME ABOUT WHOSE CREDITS NUMBERS REQUEST TAGS"

// eventRow is an event for people: when, what, whose, and the numbers behind it.
func eventRow(e latchkey.Event) []string {
	about, whose := e.KeyID, e.ExternalID
	numbers := ""
	if limit, ok := e.Limit.Get(); ok {
		numbers = fmt.Sprintf("%d of %d left", e.Remaining.Or(0), limit)
	}
	if e.NamespaceID != "" {
		about, whose = e.NamespaceID, e.Identifier
	}
	return []string{
		e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), e.Outcome, about, whose,
		strconv.FormatInt(e.Credits, 10), numbers, e.RequestID, strings.Join(e.Tags, ","),
	}
}
