package embedded

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// TestUsageIsAddedUp verifies keys of two APIs and customers and asks for limits, and then for the
// sums and for the single events: each is there once, and only for those who can read it.
func TestUsageIsAddedUp(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx := t.Context()
	began := latchkey.Set(latchkey.At(time.Now()))
	key := verifiedKey(t, s, latchkey.CreateKeyRequest{
		ExternalID: "customer", Credits: &latchkey.Credits{Remaining: latchkey.Int(7)},
	})
	other, err := s.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "another"})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.Client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: other.APIID})
	if err != nil {
		t.Fatal(err)
	}
	five := &latchkey.VerifyKeyCredits{Cost: latchkey.Int(5)}
	for _, r := range []latchkey.VerifyKeyRequest{
		{Key: key, Tags: []string{"a", "b"}, Credits: five},
		{Key: key, Credits: five}, // exceeds them
		{Key: plain.Key, Tags: []string{"a"}}, {Key: "unknown"},
	} {
		if _, err := s.Client.Keys.Verify(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := s.Client.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: "mail", Identifier: "u", Limit: 4, Cost: latchkey.Int(2),
			Duration: latchkey.Per(time.Hour),
		}); err != nil {
			t.Fatal(err)
		}
	}
	totals := func(c *latchkey.Client, r latchkey.UsageTotalsRequest) latchkey.UsageReport {
		t.Helper()
		r.Start = began
		report, err := c.Usage.GetTotals(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	ofKeys := latchkey.UsageSum{Count: 4, Passed: 3, Credits: 6}
	got := totals(s.Client, latchkey.UsageTotalsRequest{GroupBy: []string{"apiId", "tag"}, Top: 2})
	want := latchkey.UsageReport{
		Start: got.Start, End: got.End, Total: ofKeys, AllGroups: 4, Groups: []latchkey.UsageGroup{
			{APIID: got.Groups[0].APIID, APIName: got.Groups[0].APIName, Count: 2, Passed: 1, Credits: 1},
			{
				APIID: got.Groups[1].APIID, APIName: got.Groups[1].APIName, Tag: "a", Count: 1,
				Passed: 1, Credits: 5,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Groups[0].APIName == "" {
		t.Errorf("by API and tag (-want +got):\n%s", diff)
	}
	limits := latchkey.UsageTotalsRequest{
		Kind: latchkey.EventRatelimits, GroupBy: []string{"namespaceId", "outcome"}, Namespace: "mail",
	}
	got = totals(s.Client, limits)
	want = latchkey.UsageReport{
		Start: got.Start, End: got.End, AllGroups: 2,
		Total: latchkey.UsageSum{Count: 3, Passed: 2, Credits: 4},
		Groups: []latchkey.UsageGroup{
			{Outcome: "PASSED", Count: 2, Passed: 2, Credits: 4}, {Outcome: "DENIED", Count: 1},
		},
	}
	for i := range want.Groups {
		want.Groups[i].NamespaceID, want.Groups[i].NamespaceName = got.Groups[i].NamespaceID, "mail"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	some := holding(t, s, "", "api."+other.APIID+".read_analytics")
	if got := totals(some, latchkey.UsageTotalsRequest{}).Total.Count; got != 1 {
		t.Errorf("a root key for one API sees %d events", got)
	}
	workspace, err := s.Client.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	foreign := holding(t, s, workspace.WorkspaceID, "api.*.read_analytics")
	if got := totals(foreign, latchkey.UsageTotalsRequest{}).Total.Count; got != 0 {
		t.Errorf("another workspace sees %d events", got)
	}
	series, err := s.Client.Usage.GetTimeseries(ctx, latchkey.UsageTimeseriesRequest{
		Start: began, Interval: "hour", GroupBy: []string{"externalId"},
	})
	if err != nil || series.Total != ofKeys || len(series.Groups) != 2 {
		t.Fatalf("time series: %v, %+v", err, series)
	}
	for sums, want := range map[*[]latchkey.UsagePoint]int64{
		&series.Data: 4, &series.Groups[0].Data: 3, &series.Groups[1].Data: 1,
	} {
		var n int64
		for _, point := range *sums {
			n += point.Count
		}
		if n != want {
			t.Errorf("a time series adds up to %d, want %d", n, want)
		}
	}
	wanted := []string{"USAGE_EXCEEDED", "VALID", "VALID"}
	if diff := cmp.Diff(wanted, outcomes(t, s.Client)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := outcomes(t, foreign); len(got) > 0 {
		t.Errorf("another workspace sees the events %s", got)
	}
}

// outcomes are those of the customer's events, read one by one, and sorted: those of one
// millisecond have no order.
func outcomes(t *testing.T, c *latchkey.Client) (all []string) {
	t.Helper()
	for e, err := range c.Usage.AllEvents(t.Context(), latchkey.ListEventsRequest{
		ExternalID: "customer", Limit: 1, Order: "oldest",
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.KeyID == "" || e.APIID == "" || e.RequestID == "" || e.IdentityID == "" {
			t.Errorf("an event without its names: %+v", e)
		}
		all = append(all, e.Outcome)
	}
	slices.Sort(all)
	return all
}

// TestPagesOfEventsAreBounded: events with long tags end a page before its limit, and none is lost.
func TestPagesOfEventsAreBounded(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	key := verifiedKey(t, s, latchkey.CreateKeyRequest{}) // the first event
	tags := make([]string, 20)
	for i := range tags {
		tags[i] = strings.Repeat("t", 512)
	}
	const long = 1800 // of more bytes than a list collects at once
	for range long {
		if _, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{
			Key: key, Tags: tags,
		}); err != nil {
			t.Fatal(err)
		}
	}
	r := latchkey.ListEventsRequest{Limit: 10_000}
	var sizes []int
	seen := map[string]bool{}
	for {
		page, err := s.Client.Usage.ListEvents(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Data {
			seen[e.RequestID] = true
		}
		sizes = append(sizes, len(page.Data))
		if r.Cursor = page.Pagination.Cursor; !page.Pagination.HasMore {
			break
		}
	}
	if len(sizes) != 5 || len(seen) != long+1 || sizes[0]*20*512 > 4<<20 {
		t.Errorf("%d events on pages of %v, want %d", len(seen), sizes, long+1)
	}
}

// TestEndUsersSeeTheirVerifications, of the portal's keyspace and no others.
func TestEndUsersSeeTheirVerifications(t *testing.T) {
	cfg := quiet(newDir(t))
	cfg.PortalURL = "http://portal.test"
	s := open(t, cfg)
	defer closed(t, s)
	ctx, c := t.Context(), s.Client
	began := time.Now()
	var keys []string
	var keyspace string
	for _, name := range []string{"shown", "another"} {
		api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"user", "other"} {
			key, err := c.Keys.Create(ctx, latchkey.CreateKeyRequest{
				APIID: api.APIID, ExternalID: user, Credits: &latchkey.Credits{Remaining: latchkey.Int(2)},
			})
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key.KeyID)
			for range 3 { // the last one exceeds its credits
				if _, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if keyspace == "" {
			settings, err := c.APIs.Update(ctx, latchkey.UpdateAPIRequest{APIID: api.APIID})
			if err != nil {
				t.Fatal(err)
			}
			keyspace = settings.KeyspaceID
		}
	}
	if _, err := c.Portals.Create(ctx, latchkey.CreatePortalRequest{
		Slug: "shop", DisplayName: "Shop", KeyspaceID: keyspace,
	}); err != nil {
		t.Fatal(err)
	}
	session, err := c.Portals.CreateSession(ctx, latchkey.CreatePortalSessionRequest{
		Portal: "shop", ExternalID: "user",
		Scopes: []string{latchkey.ScopeKeysRead, latchkey.ScopeAnalyticsRead},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(session.URL, "code=")
	access, err := c.Portals.ExchangeCode(ctx, latchkey.ExchangePortalCodeRequest{Code: code})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Portals.GetVerifications(ctx, latchkey.PortalVerificationsRequest{
		StartTime: latchkey.Set(latchkey.At(began)),
		EndTime:   latchkey.Set(latchkey.At(began.Add(time.Hour))),
	}, latchkey.WithPortalSession(access.AccessToken))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Keys) != 1 || got.Keys[0].KeyID != keys[0] || got.BucketMillis != 60_000 ||
		len(got.Keys[0].Data) < 60 {
		t.Fatalf("got %+v", got)
	}
	var sum latchkey.PortalVerificationsPoint
	for i, p := range got.Keys[0].Data {
		sum.Total, sum.Valid = sum.Total+p.Total, sum.Valid+p.Valid
		sum.UsageExceeded += p.UsageExceeded
		if want := began.Truncate(time.Minute).Add(time.Duration(i) * time.Minute); p.Time !=
			want.UnixMilli() {
			t.Errorf("interval %d begins at %d, want %d", i, p.Time, want.UnixMilli())
		}
	}
	want := latchkey.PortalVerificationsPoint{Total: 3, Valid: 2, UsageExceeded: 1}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
