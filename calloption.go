package latchkey

import (
	"net/http"
	"time"
)

// CallOption changes a setting for one call.
type CallOption func(*callOptions)

// callOptions are the settings of one call.
type callOptions struct {
	header         http.Header
	timeout        time.Duration
	retry          RetryPolicy // with its defaults filled in
	idempotencyKey string
	response       *ResponseInfo
	portalSession  string
	key            string // of its holder, instead of the root key
}

// with returns a copy of the options with changes. All calls share the original.
func (o *callOptions) with(opts []CallOption) *callOptions {
	if len(opts) == 0 {
		return o
	}
	changed := *o
	for _, change := range opts {
		change(&changed)
	}
	return &changed
}

// WithHeader adds a header to the request. Authorization, Accept and
// Content-Type are set by the client and can't be replaced.
func WithHeader(name, value string) CallOption {
	name = http.CanonicalHeaderKey(name)
	if name == idempotencyHeader {
		return WithIdempotencyKey(value)
	}
	return func(o *callOptions) {
		if o.header == nil {
			o.header = http.Header{}
		}
		o.header.Add(name, value)
	}
}

// WithTimeout bounds each attempt of the call, instead of Config.Timeout; 0
// means no bound.
func WithTimeout(d time.Duration) CallOption {
	return func(o *callOptions) { o.timeout = d }
}

// WithRetry sets the retry policy of the call, instead of Config.Retry.
func WithRetry(p RetryPolicy) CallOption {
	return func(o *callOptions) { o.retry = p.filled() }
}

// WithIdempotencyKey sends an Idempotency-Key. For 24 hours, a Latchkey answers
// a repeated call that has the same key and the same request with the first
// response, and does nothing; with another request it refuses the key with
// [ErrConflict]. So a program can repeat the call even after a restart.
//
// Use it with a [Keys.Verify] that spends credits and a [Ratelimits.Limit] that
// must be counted once. Other calls that change something carry a random key by
// themselves. Other services ignore the header, and the client does not rely on
// it there.
func WithIdempotencyKey(key string) CallOption {
	return func(o *callOptions) { o.idempotencyKey = key }
}

// WithPortalSession sends the access token of a portal session instead of the root key, in
// the cookie [PortalSessionCookie], for the operations that an end user calls.
func WithPortalSession(accessToken string) CallOption {
	return func(o *callOptions) { o.portalSession = accessToken }
}

// WithKey sends an API key instead of the root key, for the operations of [Self].
func WithKey(key string) CallOption {
	return func(o *callOptions) { o.key = key }
}

// ResponseInfo describes the response of a call: see [WithResponse].
type ResponseInfo struct {
	// RequestID identifies the request in the log of the service.
	RequestID string
	// Attempts is the number of times the call was sent.
	Attempts int
	// Header is the header of the last response; nil if there was none.
	Header http.Header
}

// WithResponse stores facts about the response in info, also if it is an error.
func WithResponse(info *ResponseInfo) CallOption {
	return func(o *callOptions) { o.response = info }
}
