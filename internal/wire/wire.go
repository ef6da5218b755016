// Package wire reads and writes wire types, the requests and responses of the root
// package, as JSON, and validates requests by the rules of their check tags.
//
// The code for the types is generated. For each struct of a request generated.go has
// the rules of its fields and a function that visits them; for each struct of a
// response, a function that appends it as JSON. Visiting a field means reading it,
// if the request is JSON, and validating it. The functions that generated code calls
// are written by hand: read.go and checker.go for requests, append.go for responses.
//
// After a change of a wire type, run make generate to update generated.go. The
// template of the code is gen/generated.tmpl.
package wire

//go:generate go run ./gen

import "github.com/latchkeyhq/latchkey"

// Decode reads body, one JSON value, into request, a pointer to the zero value of a
// request type. It returns nil if the request is valid, and otherwise at most 20
// faults in the order of the fields; then the request is undefined. A fault never
// contains the value, which can be a secret. The request keeps no reference to body.
// Decode panics if request has another type.
func Decode(body []byte, request any) []latchkey.Fault {
	c := checker{reading: true, scanner: scanner{data: body}}
	visit(&c, request)
	return c.faults
}

// Check validates request, a pointer to a request type, by the same rules as
// [Decode], and returns its faults. A Go value can't distinguish zero from absent, so
// the zero value of an optional field counts as absent, like an absent Opt, and is
// valid. The zero value of a required field must be within its bounds. Check panics
// if request has another type.
func Check(request any) []latchkey.Fault {
	var c checker
	visit(&c, request)
	return c.faults
}

// Append appends a response to out as JSON, with the same bytes as encoding/json with
// SetEscapeHTML(false). It reports false and appends nothing if the type is not a
// response type, a list of one, or [latchkey.Pagination]. Metadata is appended as it
// is, because the store has it valid and compact.
func Append(out []byte, answer any) ([]byte, bool) { return appendAnswer(out, answer) }
