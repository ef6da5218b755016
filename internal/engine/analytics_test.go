package engine

import (
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func TestAnalyticsChecksPermissionFirst(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	question := latchkey.AnalyticsRequest{Query: "SELECT 1"}
	for name, permissions := range map[string][]string{
		"analytics.getVerifications": {"api.*.read_analytics",
			"api." + w.newAPI() + ".read_analytics"},
		"analytics.getRatelimits": {"ratelimit.*.read_analytics",
			"ratelimit." + w.namespaceID("api") + ".read_analytics"},
	} {
		for _, permission := range permissions {
			w.refused(w.grant(permission), name, question, 412, "analytics_not_configured")
		}
		w.refused(w.grant("api.api_other.read_analytics", "ratelimit.rlns_other.read_analytics"),
			name, question, 403, "insufficient_permissions")
	}
}

// Without events the operations on them return 412, to those who can read them only.
func TestUsageNeedsEvents(t *testing.T) {
	w := newWorld(t)
	start := latchkey.Set(latchkey.At(w.now().Add(-time.Hour)))
	for name, request := range map[string]any{
		"usage.getTotals":     latchkey.UsageTotalsRequest{Start: start},
		"usage.getTimeseries": latchkey.UsageTimeseriesRequest{Start: start},
		"usage.listEvents":    latchkey.ListEventsRequest{},
	} {
		w.refused(w.grant("api.*.read_analytics"), name, request, 412, "analytics_not_configured")
		w.refused(w.grant("ratelimit.*.read_analytics"), name, request, 403,
			"insufficient_permissions")
	}
}
