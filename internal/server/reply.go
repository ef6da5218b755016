package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// The content types of responses, as header values.
var (
	plainJSON   = []string{"application/json"}
	problemJSON = []string{"application/problem+json"}
)

// The values of the headers that protect sets.
var (
	noSniff = []string{"nosniff"}
	noStore = []string{"no-store"}
	noCache = []string{"no-cache"}
)

// honors tells clients that the service honors the header Idempotency-Key. Until a client
// has seen it, it must not retry a request that is not safe to repeat, because other
// services with the same API ignore the header.
var honors = []string{"Idempotency-Key"}

// The errors of HTTP, not of an operation.
var (
	routeNotFound = httpError(http.StatusNotFound, "Not Found", "route_not_found",
		"There is nothing at this path. Operations are under /v2/, for example "+
			"POST /v2/keys.verifyKey; /openapi.json lists them.")
	wrongMethod = httpError(http.StatusMethodNotAllowed, "Method Not Allowed",
		"method_not_allowed",
		"This path does not allow the method. The header Allow lists those that it allows.")
	bodyTimeout = httpError(http.StatusRequestTimeout, "Request Timeout", "request_timeout",
		"The request body took too long to arrive.")
	bodyUnreadable = httpError(http.StatusBadRequest, "Bad Request", "request_body_unreadable",
		"The request body ended before it was complete.")
	tooManyBodies = serverBusy("Too many long requests are in progress.")
)

func bodyTooLarge(limit int64) *latchkey.Error {
	return httpError(http.StatusRequestEntityTooLarge, "Request Entity Too Large",
		"request_body_too_large", fmt.Sprintf("The request body is longer than %d bytes.", limit))
}

// serverBusy is the error of a request that can succeed a second later.
func serverBusy(detail string) *latchkey.Error {
	e := engine.NewError(http.StatusServiceUnavailable, "Service Unavailable",
		"unkey/application/service_unavailable", detail+" Send the request again in a second.")
	e.RetryAfter = time.Second
	return e
}

func httpError(status int, title, code, detail string) *latchkey.Error {
	return engine.NewError(status, title, "user/bad_request/"+code, detail)
}

func (x *exchange) notFound() { x.fail(routeNotFound) }

func (x *exchange) methodNotAllowed(allowed string) {
	x.w.Header().Set("Allow", allowed)
	x.fail(wrongMethod)
}

// succeed sends the result of an operation. It leaves out what is missing, because clients
// reject members that are null.
func (x *exchange) succeed(a engine.Response) {
	x.open()
	err := error(nil)
	switch {
	case a.Data != nil && x.op != nil && x.op.Bare:
		err = x.members(a.Data)
	case a.Data != nil:
		err = x.member("data", a.Data)
	}
	if a.Pagination != nil {
		err = errors.Join(err, x.member("pagination", *a.Pagination))
	}
	if err != nil {
		x.breakDown(err)
		return
	}
	x.close(http.StatusOK, plainJSON)
}

// problem is the error member of the envelope.
type problem struct {
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Status int              `json:"status"`
	Type   string           `json:"type"`
	Errors []latchkey.Fault `json:"errors,omitzero"`
}

// fail sends an error.
func (x *exchange) fail(err error) {
	var e *latchkey.Error
	if !errors.As(err, &e) {
		x.breakDown(err)
		return
	}
	if e.RetryAfter > 0 {
		x.w.Header().Set("Retry-After", seconds(e.RetryAfter))
	}
	p := problem{Title: e.Title, Detail: e.Detail, Status: e.Status, Type: e.Type}
	if hasFaults(e.Status) {
		p.Errors = append([]latchkey.Fault{}, e.Faults...)
	}
	x.open()
	if err := x.member("error", p); err != nil {
		panic(err) // strings and numbers always encode
	}
	x.close(e.Status, x.errorType(e.Status))
}

// breakDown sends the error of a failure of the service, unless a response was sent, and
// keeps the cause for the log.
func (x *exchange) breakDown(cause error) {
	x.cause = cause
	if x.status == 0 {
		x.fail(engine.Unexpected())
	}
}

// hasFaults reports whether clients expect a list of faults, which can be empty, in errors
// of this status. In others they expect none.
func hasFaults(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, 499:
		return true
	}
	return false
}

// errorType chooses the content type of an error. The official SDKs accept
// application/json, but recognize the 429 of most operations, and every error of some, only
// as application/problem+json. Faults in the form of a request are always plain JSON.
func (x *exchange) errorType(status int) []string {
	switch {
	case status == http.StatusTooManyRequests && (x.op == nil || !x.op.Plain429),
		x.op != nil && x.op.Problems:
		return problemJSON
	case status == http.StatusBadRequest && !x.trace.Checked:
		return plainJSON
	}
	for _, accept := range x.r.Header["Accept"] {
		for _, wanted := range []string{"application/problem+json", "application/*", "*/*"} {
			if strings.Contains(accept, wanted) {
				return problemJSON
			}
		}
	}
	return plainJSON
}

// open starts an envelope; member and close complete it.
func (x *exchange) open() {
	x.out.Reset()
	x.out.WriteString(`{"meta":{"requestId":"`)
	x.out.WriteString(x.id)
	x.out.WriteString(`"}`)
}

// member adds a member to the envelope. Its name needs no escaping.
func (x *exchange) member(name string, value any) error {
	x.out.WriteString(`,"`)
	x.out.WriteString(name)
	x.out.WriteString(`":`)
	if text, ok := wire.Append(x.out.AvailableBuffer(), value); ok {
		x.out.Write(text)
		return nil
	}
	if err := x.enc.Encode(value); err != nil {
		return err
	}
	x.out.Truncate(x.out.Len() - 1) // the encoder ends with a line break
	return nil
}

// members adds the members of an object to the envelope.
func (x *exchange) members(object any) error {
	text, ok := wire.Append(nil, object)
	if !ok || len(text) <= len("{}") {
		return fmt.Errorf("%T has no members", object)
	}
	x.out.WriteByte(',')
	x.out.Write(text[1 : len(text)-1])
	return nil
}

func (x *exchange) close(status int, contentType []string) {
	x.out.WriteByte('}')
	x.w.Header()["Latchkey-Honors"] = honors
	x.send(status, contentType, x.out.Bytes())
}

// protect sets the headers that keep browsers from guessing content types, and everybody
// from storing responses, which can contain keys. Verifications and limits do
// without: their responses are JSON without secrets, no cache stores the response to a POST
// by itself, and the headers would cost them 3 % of their speed.
func (x *exchange) protect(h http.Header) {
	if x.op != nil && x.op.Effect == latchkey.EffectCounts {
		return
	}
	h["X-Content-Type-Options"], h["Cache-Control"], h["Pragma"] = noSniff, noStore, noCache
}

// send writes the response. It ignores errors, because then the client is gone. It sets
// the length of a long response, which net/http would send in chunks otherwise.
func (x *exchange) send(status int, contentType []string, body []byte) {
	const short = 2048 // bytes, up to which net/http waits for more before it sends
	x.status = status
	h := x.w.Header()
	h["Content-Type"] = contentType
	x.protect(h)
	if len(body) > short {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}
