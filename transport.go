package latchkey

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
)

// Transport carries calls to a service. There are two: HTTP, which [New] uses
// unless told otherwise, and package embedded's, straight to the engine of this
// process. Whatever carries them, calls mean the same.
type Transport interface {
	// Send makes one attempt of a call and returns its answer. What the service
	// refuses is an *Error; any other error says that the attempt may or may not
	// have reached the service. Send is called by many goroutines at once and
	// gives up when ctx ends.
	Send(ctx context.Context, a *Attempt) (Answer, error)
}

// Attempt is one attempt of a call. Transports don't change it.
type Attempt struct {
	// Operation is what is called, for example keys.verifyKey.
	Operation string
	// Request is a pointer to the operation's request type, or with
	// [Client.Call] whatever the caller gave, which encodes as such JSON.
	Request any
	// RootKey is who calls; empty for nobody.
	RootKey string
	// IdempotencyKey makes a repeated request answer as the first one did; empty
	// for none.
	IdempotencyKey string
	// Header are the headers of [WithHeader]; it may be nil.
	Header http.Header
	// Number is 1 for the first attempt of a call.
	Number int

	into any // where HTTP decodes the data of the answer, a pointer
}

// Answer is what a service answered.
type Answer struct {
	// Data is of the operation's answer type, a list for a page, nil where it has
	// nothing to report. It may share memory with the service, so it must not be
	// changed; what methods of the client return may be.
	Data any
	// Pagination is of a page only.
	Pagination *Pagination
	// RequestID names the request in the service's log.
	RequestID string
	// Header is the header of the answer, also of one that is an error; nil where
	// there are no headers.
	Header http.Header
}

// honoursHeader is the header in which a Latchkey says what it honours in
// requests. Unkey's service sends none.
const honoursHeader = "Latchkey-Honors"

// honours is what is known about whether the service honours Idempotency-Key.
// Only its own word counts: a key that nobody looks at makes no repetition safe.
type honours struct{ state atomic.Int32 }

const (
	unknown int32 = iota // no answer yet
	honoured
	ignored
)

// learn takes note of an answer. A Latchkey says what it honours in every
// answer; that it does not is concluded only from a success, because errors
// may come from a proxy on the way.
func (h *honours) learn(header http.Header, err error) {
	if header == nil {
		return
	}
	state := ignored
	if slices.Contains(header.Values(honoursHeader), "Idempotency-Key") {
		state = honoured
	}
	if (state == honoured || err == nil) && h.state.Load() != state {
		h.state.Store(state)
	}
}

func (h *honours) is(state int32) bool { return h.state.Load() == state }
