package latchkey_test

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/latchkeyhq/latchkey"
)

// limitState returns the state of a limit whose window is a minute.
func limitState(name string, remaining int64, reset time.Duration) latchkey.RatelimitState {
	return latchkey.RatelimitState{
		Name: name, Limit: 100, Remaining: remaining, Duration: latchkey.Per(time.Minute),
		Reset: latchkey.At(time.Now().Add(reset)),
	}
}

// exceededState returns the state of an exceeded limit that has room again after wait.
func exceededState(name string, reset, wait time.Duration) latchkey.RatelimitState {
	l := limitState(name, 0, reset)
	l.Exceeded, l.RetryAfter = true, latchkey.Per(wait)
	return l
}

func TestRateLimitHeaderNamesEveryLimitAndTheOneThatDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			limits []latchkey.RatelimitState
			wait   time.Duration
			want   http.Header
		}{
			{"without limits", nil, 0, http.Header{}},
			{"only a wait", nil, 1500 * time.Millisecond, http.Header{"Retry-After": {"2"}}},
			{"the least left comes first", []latchkey.RatelimitState{
				limitState("much", 40, 30*time.Second), limitState("little", 3, 10500*time.Millisecond),
			}, 0, http.Header{
				"Ratelimit-Policy": {`"little";q=100;w=60, "much";q=100;w=60`},
				"Ratelimit":        {`"little";r=3;t=11, "much";r=40;t=30`},
				"Ratelimit-Limit":  {"100"}, "Ratelimit-Remaining": {"3"}, "Ratelimit-Reset": {"11"},
			}},
			{"an exceeded one comes first, with its own time", []latchkey.RatelimitState{
				limitState("other", 0, 50*time.Second),
				exceededState("soon", 40*time.Second, 2*time.Second),
				exceededState("late", 20*time.Second, 30*time.Second),
			}, 30 * time.Second, http.Header{
				"Retry-After":      {"30"},
				"Ratelimit-Policy": {`"late";q=100;w=60, "soon";q=100;w=60, "other";q=100;w=60`},
				// Nothing of the last one: it would say to wait longer than Retry-After.
				"Ratelimit":       {`"late";r=0;t=30, "soon";r=0;t=2, "other";r=0`},
				"Ratelimit-Limit": {"100"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"20"},
			}},
			{"one that never has room comes first", []latchkey.RatelimitState{
				exceededState("soon", 40*time.Second, 2*time.Second),
				exceededState("never", 20*time.Second, 0),
			}, 0, http.Header{
				"Ratelimit-Policy": {`"never";q=100;w=60, "soon";q=100;w=60`},
				"Ratelimit":        {`"never";r=0;t=20, "soon";r=0;t=2`},
				"Ratelimit-Limit":  {"100"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"20"},
			}},
			{"names and numbers that fields can't have", []latchkey.RatelimitState{{
				Name: "a\"b\\c%é\n", Limit: math.MaxInt64, Remaining: -5,
				Duration: latchkey.PerMilli(1500), Reset: latchkey.At(time.Now().Add(-time.Hour)),
			}}, 0, http.Header{
				"Ratelimit-Policy": {`"a\"b\\c%25%C3%A9%0A";q=999999999999999;w=2`},
				"Ratelimit":        {`"a\"b\\c%25%C3%A9%0A";r=0;t=0`},
				"Ratelimit-Limit":  {"9223372036854775807"}, "Ratelimit-Remaining": {"-5"},
				"Ratelimit-Reset": {"0"},
			}},
		} {
			h := http.Header{}
			latchkey.SetRateLimitHeader(h, c.limits, c.wait)
			if diff := cmp.Diff(c.want, h); diff != "" {
				t.Errorf("%s: want -, got +:\n%s", c.name, diff)
			}
		}
	})
}

// field is the grammar of both fields in RFC 9651.
var field = func() *regexp.Regexp {
	const item = `"([ !#-\[\]-~]|\\["\\])*"(;[qwrt]=[0-9]{1,15})+`
	return regexp.MustCompile(`^` + item + `(, ` + item + `)*$`)
}()

// TestRateLimitFieldsAreBoundedAndWellFormed whatever the limits are.
func TestRateLimitFieldsAreBoundedAndWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := make([]latchkey.RatelimitState, rapid.IntRange(1, 50).Draw(t, "limits"))
		for i := range limits {
			limits[i] = latchkey.RatelimitState{
				Exceeded: rapid.Bool().Draw(t, "exceeded"),
				Name:     rapid.StringN(0, 255, 255).Draw(t, "name"),
				Limit:    rapid.Int64().Draw(t, "limit"), Remaining: rapid.Int64().Draw(t, "remaining"),
				Duration:   latchkey.PerMilli(rapid.Int64().Draw(t, "duration")),
				RetryAfter: latchkey.PerMilli(rapid.Int64().Draw(t, "wait")),
				Reset:      latchkey.AtMilli(rapid.Int64Range(0, 1<<53).Draw(t, "reset")),
			}
		}
		wait := time.Duration(rapid.Int64().Draw(t, "retry after"))
		h := http.Header{}
		latchkey.SetRateLimitHeader(h, limits, wait)
		for _, name := range []string{"RateLimit-Policy", "RateLimit"} {
			got := h.Get(name)
			if len(got) > 1024 || !field.MatchString(got) {
				t.Fatalf("%s has %d bytes: %s", name, len(got), got)
			}
		}
		if fmt.Sprint(h["Retry-After"]) == "[0]" || strings.Contains(h.Get("Retry-After"), "-") {
			t.Fatalf("Retry-After is %v", h["Retry-After"])
		}
	})
}
