package server

import (
	"regexp"
	"strings"
	"testing"
)

// TestMetricsTellNoSecrets: what /metrics shows has figures of what was done, and
// nothing that names a key, a root key, an identity or a workspace.
func TestMetricsTellNoSecrets(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("key", "keys.createKey", `{"apiId":"`+api+`","externalId":"user_sesame"}`)
	for range 3 {
		w.ok("code", "keys.verifyKey", `{"key":"`+key+`"}`)
	}
	w.call("keys.verifyKey", `{}`)
	w.ok("success", "ratelimit.limit",
		`{"namespace":"sesame","identifier":"sesame","limit":1,"duration":60000}`)
	text := w.send("GET", "/metrics", nil).text
	for _, line := range []string{
		`latchkey_requests_total{class="2xx",operation="keys.verifyKey"} 3`,
		`latchkey_requests_total{class="4xx",operation="keys.verifyKey"} 1`,
		`latchkey_request_seconds_count{operation="keys.verifyKey"} 4`,
		`latchkey_verifications_total{code="VALID"} 3`,
		`latchkey_stale_answers_total 0`,
		`latchkey_database_up 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
	for _, name := range []string{"latchkey_cache_hits_total", "go_goroutines", "go_build_info"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, secret := range []string{"sesame", key, api, w.root} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the metrics", secret)
		}
	}
	if id := regexp.MustCompile(
		`\b(ws|api|key|req|rk|rlns|id)_[1-9A-Za-z]{8,}`,
	).FindString(text); id != "" {
		t.Errorf("the id %s is in the metrics", id)
	}
}
