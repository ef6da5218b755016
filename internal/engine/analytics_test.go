package engine

import (
	"testing"

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
