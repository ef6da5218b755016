// Package wire turns wire types, the requests and answers of the root package,
// from and into JSON, and checks requests against the rules of their check tags.
//
// What it knows of the types is generated: generated.go has, for each struct of a
// request, the rules of its fields and a function that visits them, and for each
// struct of an answer a function that appends it to JSON. To visit a field is to
// read it, if the request comes as JSON, and to check it. The functions that the
// generated ones are made of are written by hand: read.go and checker.go for
// requests, append.go for answers.
//
// After a change of a wire type, make generate writes generated.go. The template of the
// code is gen/generated.tmpl.
package wire

//go:generate go run ./gen

import "github.com/latchkeyhq/latchkey"

// Decode reads body, one JSON value, into request, a pointer to the zero value of a
// request type. It returns what is wrong with the body: nil when all is well, else
// at most 20 faults in the order of the fields; the request is then undefined. A
// fault never repeats the value it is about, which may be a secret. The request
// keeps no reference to body. Decode panics if request is anything else.
func Decode(body []byte, request any) []latchkey.Fault {
	c := checker{reading: true, scanner: scanner{data: body}}
	visit(&c, request)
	return c.faults
}

// Check returns what is wrong with request, a pointer to a request type, by the
// same rules as [Decode]. A Go value cannot tell zero from absent, so the zero value
// of a field that is not required is absent, as is any absent Opt, and breaks no
// rule. Of a required field the zero value must be within the bounds. Check panics
// if request is anything else.
func Check(request any) []latchkey.Fault {
	var c checker
	visit(&c, request)
	return c.faults
}

// Append appends answer to out as JSON, byte for byte as encoding/json does with
// SetEscapeHTML(false). It reports false, having appended nothing, if answer is not
// of an answer type, a list of one, or [latchkey.Pagination]. Metadata is appended as
// it is: the store keeps it valid and in its shortest form.
func Append(out []byte, answer any) ([]byte, bool) { return appendAnswer(out, answer) }
