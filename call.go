package latchkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Call calls any operation by its name, for example one that this version of the
// client doesn't have. The request is encoded as JSON. It returns the data of the
// response as JSON, and the pagination of a list, else nil.
func (c *Client) Call(
	ctx context.Context, operation string, request any, opts ...CallOption,
) (json.RawMessage, *Pagination, error) {
	var data json.RawMessage
	answer, err := c.send(ctx, &Attempt{Operation: operation, Request: request, into: &data}, opts)
	if err == nil && answer.Data != nil {
		data, err = compactJSON(answer.Data)
	}
	return data, answer.Pagination, err
}

// compactJSON encodes a value as a service does.
func compactJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// call sends an operation that returns data.
func call[T, R any](
	ctx context.Context, c *Client, operation string, request *R, opts []CallOption,
) (data T, err error) {
	_, err = fetch(ctx, c, operation, request, opts, &data)
	return data, err
}

// list sends an operation that returns one page.
func list[T, R any](
	ctx context.Context, c *Client, operation string, request *R, opts []CallOption,
) (page Page[T], err error) {
	answer, err := fetch(ctx, c, operation, request, opts, &page.Data)
	if err != nil {
		return Page[T]{}, err
	}
	if answer.Pagination == nil {
		return Page[T]{}, fmt.Errorf(
			"latchkey: %s: the response is not a page; is this a Latchkey service?", operation,
		)
	}
	page.Pagination = *answer.Pagination
	return page, nil
}

// do sends an operation that returns no data.
func do(ctx context.Context, c *Client, operation string, request any, opts []CallOption) error {
	_, err := c.send(ctx, &Attempt{Operation: operation, Request: request, into: new(json.RawMessage)},
		opts)
	return err
}

// fetching is a call that returns data. Attempt and request are one allocation:
// two would take 16 bytes more of the 450 of each verification, which
// TestVerificationsAllocateLittle counts.
type fetching[T, R any] struct {
	Attempt
	request R
	decoded *T // nil until HTTP has found data in the response
}

// fetch sends an operation and stores the data of its response, decoded from JSON
// or as the value that it is in process. A response without data is an error: it
// must not pass for a "no" or a zero. It stores the data where the caller returns
// it from, because a verification has 200 bytes, which would be copied twice more.
func fetch[T, R any](
	ctx context.Context, c *Client, operation string, request *R, opts []CallOption, data *T,
) (Answer, error) {
	f := &fetching[T, R]{Attempt: Attempt{Operation: operation}, request: *request}
	f.Request, f.into = &f.request, &f.decoded
	answer, err := c.send(ctx, &f.Attempt, opts)
	if err != nil {
		return answer, err
	}
	if f.decoded != nil {
		*data = *f.decoded
		return answer, nil
	}
	var inProcess bool
	if *data, inProcess = answer.Data.(T); !inProcess {
		return answer, fmt.Errorf("latchkey: %s: the response has no data; is this a Latchkey service?",
			operation)
	}
	return answer, nil
}

// send makes a call: one attempt, and retries where they are safe and can help.
func (c *Client) send(ctx context.Context, a *Attempt, opts []CallOption) (Answer, error) {
	o := c.defaults.with(opts)
	if a.PortalSession = o.portalSession; a.PortalSession == "" {
		// One key for all attempts, because the service stores responses to idempotent
		// requests by it.
		var err error
		if a.RootKey, err = c.keyFor(ctx, o); err != nil {
			return Answer{}, fmt.Errorf("latchkey: %s: root key: %w", a.Operation, err)
		}
	}
	a.Header, a.IdempotencyKey = o.header, c.idempotencyKey(a.Operation, o)
	answer, err := c.attempts(ctx, a, o)
	if o.response != nil {
		*o.response = ResponseInfo{
			RequestID: requestID(answer, err), Attempts: a.Number, Header: answer.Header,
		}
	}
	return answer, err
}

// idempotencyKey returns the caller's key or, for a write that can be retried, a
// random one of 128 bits.
func (c *Client) idempotencyKey(operation string, o *callOptions) string {
	if o.idempotencyKey != "" || o.retry.MaxAttempts == 1 || c.idempotency.is(ignored) ||
		effectOf(operation) != EffectWrites {
		return o.idempotencyKey
	}
	return rand.Text()
}

// safe reports whether repeating an attempt is known to be safe: it reads, repeating it
// changes nothing more, or the service honors its key.
func (c *Client) safe(a *Attempt) bool {
	switch effectOf(a.Operation) {
	case EffectReads, EffectRepeats:
		return true
	}
	return a.IdempotencyKey != "" && c.idempotency.is(honored)
}

// attempts sends a call until it succeeds or must not be retried. All retries end
// within the policy's MaxElapsed.
func (c *Client) attempts(ctx context.Context, a *Attempt, o *callOptions) (Answer, error) {
	var begun time.Time
	if o.retry.MaxAttempts > 1 { // reading the clock takes a good part of a call in process
		begun = time.Now()
	}
	timeout := o.timeout
	for {
		answer, err := c.attempt(ctx, a, timeout)
		if err == nil {
			return answer, nil
		}
		err = withAttempts(err, a.Number)
		if ctx.Err() != nil || a.Number >= o.retry.MaxAttempts || !o.retry.worthwhile(err, c.safe(a)) {
			return answer, err
		}
		wait := o.retry.wait(a.Number, err)
		left := o.retry.MaxElapsed - time.Since(begun) - wait
		if left <= 0 || endsWithin(ctx, wait) {
			return answer, err
		}
		if gaveUp := sleep(ctx, wait); gaveUp != nil {
			return answer, fmt.Errorf("%w; waiting to try again: %w", err, gaveUp)
		}
		if timeout = left; o.timeout > 0 {
			timeout = min(left, o.timeout)
		}
	}
}

// attempt makes one attempt.
func (c *Client) attempt(ctx context.Context, a *Attempt, timeout time.Duration) (Answer, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	a.Number++
	logged := c.begin(ctx)
	answer, err := c.transport.Send(ctx, a)
	c.idempotency.learn(answer.Header, err)
	logged.end(ctx, a, answer, err)
	return answer, err
}

// withAttempts adds to an error how often the call was sent.
func withAttempts(err error, attempts int) error {
	var refused *Error
	switch {
	case errors.As(err, &refused):
		counted := *refused
		counted.Attempts = attempts
		return &counted
	case attempts > 1:
		return fmt.Errorf("%w (attempt %d)", err, attempts)
	}
	return err
}

// requestID returns the id of the request in the log of the service.
func requestID(answer Answer, err error) string {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.RequestID
	}
	return answer.RequestID
}
