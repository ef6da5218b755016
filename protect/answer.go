package protect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// Answer is what to tell a caller that may not pass, in no framework's terms.
type Answer struct {
	// Status is the HTTP status, never below 400.
	Status int
	// Header is the HTTP header that goes with it, the content type included.
	Header http.Header
	// Code says why; empty if the key could not be verified.
	Code latchkey.Code
	// Detail says why, for a person.
	Detail string
	// RetryAfter is when it is worth trying again; zero if that is unknown.
	RetryAfter time.Duration
}

// Body returns the answer as a problem of RFC 9457 in JSON.
func (a Answer) Body() []byte {
	text, err := json.Marshal(struct {
		Title  string        `json:"title"`
		Status int           `json:"status"`
		Detail string        `json:"detail"`
		Code   latchkey.Code `json:"code,omitempty"`
	}{http.StatusText(a.Status), a.Status, a.Detail, a.Code})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return text
}

// Refuse returns the answer to a caller for whom [Guard.Check] returned err. An
// error that is not a [*Denied] goes to the log of Config.OnError, because the
// answer doesn't tell it; only that the caller hung up is no news.
func (g *Guard) Refuse(ctx context.Context, err error) Answer {
	var d *Denied
	if errors.As(err, &d) {
		return refusal(d)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		g.onError.logger().ErrorContext(ctx, "protect: a request is refused because its key could not be verified", "error", err)
	}
	a := Answer{
		Status: http.StatusServiceUnavailable,
		Header: http.Header{},
		Detail: "the API key can't be verified at the moment",
	}
	var e *latchkey.Error
	if errors.As(err, &e) {
		a.RetryAfter = e.RetryAfter
	}
	a.complete()
	return a
}

// refusal is the answer to a key that may not pass.
func refusal(d *Denied) Answer {
	a := Answer{
		Status:     d.Status(),
		Header:     http.Header{},
		Code:       d.Verification.Code,
		Detail:     d.denial().detail,
		RetryAfter: d.RetryAfter,
	}
	switch {
	case a.Code == NoKey:
		a.Header.Set("WWW-Authenticate", "Bearer")
	case a.Status == http.StatusUnauthorized: // RFC 6750, section 3.1
		a.Header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	if l, ok := d.exceeded(); ok {
		a.Header.Set("RateLimit-Limit", strconv.FormatInt(l.Limit, 10))
		a.Header.Set("RateLimit-Remaining", strconv.FormatInt(l.Remaining, 10))
		a.Header.Set("RateLimit-Reset", seconds(d.RetryAfter))
		a.RetryAfter = max(d.RetryAfter, time.Second) // to try at once would be refused just as well
	}
	a.complete()
	return a
}

// complete adds what every answer has in its header.
func (a *Answer) complete() {
	a.Header.Set("Content-Type", "application/problem+json")
	if a.RetryAfter > 0 {
		a.Header.Set("Retry-After", seconds(a.RetryAfter))
	}
}

// seconds writes a duration in whole seconds, rounded up: who waits that long
// has waited long enough.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
