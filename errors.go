package latchkey

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is a refusal of the service. All operations return it, over HTTP and in
// process, and errors.Is matches it with a sentinel such as [ErrNotFound]. A key
// that is not valid is not an error, but a [Verification].
type Error struct {
	Status     int           // the HTTP status, for example 404
	Type       string        // a stable URL that names the kind of error
	Title      string        // the kind of error in a few words
	Detail     string        // what happened this time, for a person
	Faults     []Fault       // what is wrong with the request; only for status 400
	RequestID  string        // names the request in the service's log
	RetryAfter time.Duration // when it is worth trying again; zero if unknown
	Attempts   int           // how often the client sent the request
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	// Location is where: the path of the violated rule, such as
	// /properties/name/minLength, or requestBody, or security.
	Location string `json:"location"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Fix says what to send instead, where that is known.
	Fix string `json:"fix,omitempty"`
}

// The kinds of errors, one for each HTTP status, for errors.Is.
var (
	ErrBadRequest         = errors.New("bad request")
	ErrUnauthorized       = errors.New("unauthorized")
	ErrForbidden          = errors.New("forbidden")
	ErrNotFound           = errors.New("not found")
	ErrConflict           = errors.New("conflict")
	ErrGone               = errors.New("gone")
	ErrPreconditionFailed = errors.New("precondition failed")
	ErrTooLarge           = errors.New("request too large")
	ErrUnprocessable      = errors.New("unprocessable")
	ErrRateLimited        = errors.New("rate limited")
	ErrInternal           = errors.New("internal error")
	ErrUnavailable        = errors.New("unavailable")
)

var meanings = map[int]error{
	http.StatusBadRequest:            ErrBadRequest,
	http.StatusUnauthorized:          ErrUnauthorized,
	http.StatusForbidden:             ErrForbidden,
	http.StatusNotFound:              ErrNotFound,
	http.StatusConflict:              ErrConflict,
	http.StatusGone:                  ErrGone,
	http.StatusPreconditionFailed:    ErrPreconditionFailed,
	http.StatusRequestEntityTooLarge: ErrTooLarge,
	http.StatusUnprocessableEntity:   ErrUnprocessable,
	http.StatusTooManyRequests:       ErrRateLimited,
	http.StatusInternalServerError:   ErrInternal,
	http.StatusServiceUnavailable:    ErrUnavailable,
}

// Code returns the last part of the error's type, for example "key_not_found".
func (e *Error) Code() string {
	return e.Type[strings.LastIndexByte(e.Type, '/')+1:]
}

// Error returns one line with what happened, what is wrong with the request, and
// the request id.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "latchkey: %d %s: %s", e.Status, e.Code(), e.Detail)
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "; %s: %s", f.Location, f.Message)
		if f.Fix != "" {
			fmt.Fprintf(&b, " (%s)", f.Fix)
		}
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [%s]", e.RequestID)
	}
	return b.String()
}

// Is reports whether target is the sentinel of the error's status.
func (e *Error) Is(target error) bool { return target != nil && meanings[e.Status] == target }
