package protect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// Answer is the response to a denied request, independent of any framework. See
// [Guard.Refuse].
type Answer struct {
	// Status is the HTTP status, never below 400.
	Status int
	// Header is the HTTP header of the response, with its content type.
	Header http.Header
	// Code is the code of the verification; empty if the key could not be verified.
	Code latchkey.Code
	// Detail is the reason, as a text for people.
	Detail string
	// RetryAfter is how long to wait before the next try; zero if that is unknown.
	RetryAfter time.Duration
}

// Body returns the problem document of RFC 9457, in JSON.
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

// Refuse returns the response for an error of [Guard.Check]. An error that is not
// a [*Denied] is not shown to the caller: it goes to the log of Config.OnError,
// unless the caller has disconnected.
func (g *Guard) Refuse(ctx context.Context, err error) Answer {
	var d *Denied
	if errors.As(err, &d) {
		return g.refusal(d)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		g.onError.logger().ErrorContext(ctx,
			"protect: a request is refused because its key could not be verified", "error", err)
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
	a.complete(nil)
	return a
}

// refusal is the response to a key that is not valid.
func (g *Guard) refusal(d *Denied) Answer {
	a := Answer{
		Status:     d.Status(),
		Header:     http.Header{},
		Code:       d.Verification.Code,
		Detail:     d.denial().detail,
		RetryAfter: d.RetryAfter,
	}
	if a.Status == http.StatusUnauthorized {
		a.Header.Set("WWW-Authenticate", g.challenge(a.Code))
	}
	var limits []latchkey.RatelimitState
	if a.Code == latchkey.RateLimited {
		limits = d.Verification.Ratelimits
	}
	a.complete(limits)
	return a
}

// complete sets the headers that every response has.
func (a *Answer) complete(limits []latchkey.RatelimitState) {
	a.Header.Set("Content-Type", "application/problem+json")
	latchkey.SetRateLimitHeader(a.Header, limits, a.RetryAfter)
}
