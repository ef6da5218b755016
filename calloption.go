package latchkey

import (
	"net/http"
	"time"
)

// CallOption changes one call.
type CallOption func(*callOptions)

// callOptions are what a call is made with besides its request.
type callOptions struct {
	header         http.Header
	timeout        time.Duration
	retry          RetryPolicy // with its defaults filled in
	idempotencyKey string
	response       *ResponseInfo
}

// with returns the options as changed for one call. They themselves stay as
// they are: all calls share them.
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

// WithHeader sends a header along. The headers that the client sets itself,
// Authorization, Accept and Content-Type, can't be replaced.
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

// WithTimeout bounds each attempt of the call in place of the client's Timeout;
// 0 does not bound it.
func WithTimeout(d time.Duration) CallOption {
	return func(o *callOptions) { o.timeout = d }
}

// WithRetry sets when the call is sent again, in place of the client's policy.
func WithRetry(p RetryPolicy) CallOption {
	return func(o *callOptions) { o.retry = p.filled() }
}

// WithIdempotencyKey names the call, so that a Latchkey does it once however
// often it arrives, today or after a restart of this program: a repeated call
// with the same key and request gets the first answer again for 24 hours, and
// one with another request is refused as ErrConflict. Give it to a
// [Keys.Verify] that spends credits and to a [Ratelimits.Limit] that must be
// counted once; the other calls that change something carry a key of their own.
// It takes effect with Latchkey only: other services ignore it, and the client
// does not repeat a call on the strength of it there.
func WithIdempotencyKey(key string) CallOption {
	return func(o *callOptions) { o.idempotencyKey = key }
}

// ResponseInfo is what is known about an answer besides what it says.
type ResponseInfo struct {
	// RequestID names the request in the service's log.
	RequestID string
	// Attempts is how often the call was sent.
	Attempts int
	// Header is the header of the last answer; nil if there was none.
	Header http.Header
}

// WithResponse stores in info what is known about the answer, and also about
// one that is an error.
func WithResponse(info *ResponseInfo) CallOption {
	return func(o *callOptions) { o.response = info }
}
