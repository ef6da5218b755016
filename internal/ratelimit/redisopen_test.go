package ratelimit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

func TestClosingLeavesNothingBehind(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(*testenv.Server)
	}{
		{"in reach", func(*testenv.Server) {}},
		{"killed", (*testenv.Server).Kill},
		{"frozen", (*testenv.Server).Freeze},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := testenv.StartRedis(t)
			before := goleak.IgnoreCurrent()
			r, err := OpenRedis(t.Context(), RedisConfig{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			c.lose(server)
			inParallel(20, func(int) bool { return take(r, 0, hourly("a", 5, 1))[0].Passed })
			began := time.Now()
			_ = r.Close(t.Context())
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("closing took %v", took)
			}
			goleak.VerifyNone(t, before)
		})
	}
}

func TestClosingReportsWhatWasAdmitted(t *testing.T) {
	url := testenv.Redis(t)
	first, err := OpenRedis(t.Context(), RedisConfig{URL: url, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	wantAsk(t, first, 0, ask("a", 10, 4), passed(6, 1_000))
	_ = first.Close(t.Context())
	wantAsk(t, openRedis(t, RedisConfig{URL: url}), 0, ask("a", 10, 4), passed(2, 1_000))
}

func TestMetricsShowTheDecisionsAndTheOutage(t *testing.T) {
	server := testenv.StartRedis(t)
	r := openRedis(t, RedisConfig{URL: server.URL})
	want := func(text string) {
		t.Helper()
		err := testutil.CollectAndCompare(r, strings.NewReader(text+"\n"),
			"latchkey_ratelimit_degraded", "latchkey_ratelimit_unreported")
		if err != nil {
			t.Error(err)
		}
	}
	state := func(degraded, unreported string) string {
		return "# HELP latchkey_ratelimit_degraded 1 while Redis is unreachable " +
			"and this node decides with its share, else 0." + `
# TYPE latchkey_ratelimit_degraded gauge
latchkey_ratelimit_degraded ` + degraded + `
# HELP latchkey_ratelimit_unreported Cost that this node has admitted locally ` +
			"and not reported, over all counters." + `
# TYPE latchkey_ratelimit_unreported gauge
latchkey_ratelimit_unreported ` + unreported
	}
	take(r, 0, hourly("a", 10, 1))
	want(state("0", "0"))
	server.Kill()
	take(r, 0, hourly("a", 10, 3))
	want(state("1", "3"))
	server.Start()
	recovered(t, r)
	want(state("0", "0"))
	shared := testutil.ToFloat64(r.metrics.shared)
	degraded := testutil.ToFloat64(r.metrics.degraded)
	if shared != 1 || degraded != 1 {
		t.Errorf("%v calls were decided by Redis and %v without, want 1 and 1", shared, degraded)
	}
}

// No error and no line of the log shows the password.
func TestThePasswordIsNeverShown(t *testing.T) {
	const password = "s3cr3t"
	server := testenv.StartRedis(t)
	open := openRedis(t, RedisConfig{URL: server.URL})
	setPassword := open.client.B().ConfigSet().ParameterValue().
		ParameterValue("requirepass", "another").Build()
	if err := open.client.Do(t.Context(), setPassword).Error(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, url := range []string{
		"redis://:" + password + "@" + server.Addr,
		"redis://u:" + password + "@127.0.0.1:1",
		"redis://u:" + password + "@127.0.0.1:port",
		"redis://u:" + password + "/@127.0.0.1",
		"redis://u:/" + password + "@127.0.0.1",
		"redis://u:%" + password + "@127.0.0.1",
		"redis://" + password + "/" + password,
		"http://u:" + password + "@127.0.0.1",
		password,
		"redis://u:" + password + "@127.0.0.1:1,127.0.0.1:2/0",
	} {
		_, err := OpenRedis(t.Context(), RedisConfig{
			URL: url, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("the error for %s is %v", url, err)
		}
	}
	if strings.Contains(log.String(), password) {
		t.Error("the log shows it")
	}
}

func TestURLsNameSeveralServers(t *testing.T) {
	for url, want := range map[string]string{
		"redis://a":                           "a:6379",
		"redis://a:1,b:2,c":                   "a:1 b:2 c:6379",
		"redis://u:p@a:1,b:2/3":               "a:1 b:2",
		"redis://a:1?addr=b:2&addr=c:3":       "a:1 b:2 c:3",
		"rediss://u:p,q@a:1,b:2?master_set=m": "a:1 b:2",
		"unix:///run/a,b.sock":                "/run/a,b.sock",
	} {
		options, err := optionsOf(url, roundTripTimeout)
		if got := strings.Join(options.InitAddress, " "); got != want || err != nil {
			t.Errorf("%s names %q, %v, want %q", url, got, err, want)
		}
		if secure := strings.HasPrefix(url, "rediss:"); secure != (options.TLSConfig != nil) {
			t.Errorf("%s: TLS is %v", url, !secure)
		}
	}
}
