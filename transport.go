package latchkey

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
)

// Transport carries calls to a service. There are two: HTTP, the default of
// [New], and the one of package embedded, which calls the engine in this process.
// A call means the same over either.
type Transport interface {
	// Send makes one attempt of a call and returns its response. A refusal of the
	// service is an *Error; after any other error the call may or may not have
	// taken effect. Send is called by many goroutines at once and returns when ctx
	// ends.
	Send(ctx context.Context, a *Attempt) (Answer, error)
}

// Attempt is one attempt of a call. A Transport must not change it.
type Attempt struct {
	// Operation is the name of the operation, for example "keys.verifyKey".
	Operation string
	// Request is a pointer to the request type of the operation. With Client.Call
	// it is the value that the caller gave, which encodes as JSON.
	Request any
	// RootKey authenticates the caller; "" for a call without a root key. In a call of its
	// holder it is an API key.
	RootKey string
	// PortalSession is the access token of a portal session, which authenticates the
	// caller instead of a root key; "" for none.
	PortalSession string
	// IdempotencyKey identifies the call across attempts; "" for none.
	IdempotencyKey string
	// Header holds the headers of WithHeader; nil if there are none.
	Header http.Header
	// Number is 1 for the first attempt of a call.
	Number int

	into any // a pointer, into which HTTP decodes the data of the response
}

// Answer is the response to an [Attempt].
type Answer struct {
	// Data has the response type of the operation, or a slice for a page. It is nil
	// if the operation returns no data, and over HTTP, which decodes it elsewhere.
	// It can share memory with the service, so it must not be changed. The values
	// that the methods of a client return can be.
	Data any
	// Pagination is set for a page only.
	Pagination *Pagination
	// RequestID identifies the request in the log of the service.
	RequestID string
	// Header is the header of the response, also if it is an error; nil if there
	// is none.
	Header http.Header
}

// honorsHeader is the header in which a Latchkey lists the request headers that
// it honors. Unkey's service sends none.
const honorsHeader = "Latchkey-Honors"

// idempotencySupport is what is known about whether the service honors
// Idempotency-Key. Until the service says that it honors the header, a key does
// not make a retry safe.
type idempotencySupport struct{ state atomic.Int32 }

const (
	unknown int32 = iota // no response yet
	honored
	ignored
)

// learn takes note of a response. A Latchkey says in every response what it
// honors. A missing header counts only in a success, because an error can come
// from a proxy.
func (h *idempotencySupport) learn(header http.Header, err error) {
	if header == nil {
		return
	}
	state := ignored
	if slices.Contains(header.Values(honorsHeader), "Idempotency-Key") {
		state = honored
	}
	if (state == honored || err == nil) && h.state.Load() != state {
		h.state.Store(state)
	}
}

func (h *idempotencySupport) is(state int32) bool { return h.state.Load() == state }
