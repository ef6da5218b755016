package server

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

//go:embed reference.html
var reference []byte

// live answers that the process runs.
func (x *exchange) live() { x.send(http.StatusOK, plainJSON, []byte(`{"status":"ok"}`)) }

// ready answers whether requests are welcome here. The reason why not is in the
// log only: it may name things that are nobody else's business.
func (x *exchange) ready() {
	if x.cause = x.Ready(x.r.Context()); x.cause != nil {
		x.send(http.StatusServiceUnavailable, plainJSON, []byte(`{"status":"unavailable"}`))
		return
	}
	x.send(http.StatusOK, plainJSON, []byte(`{"status":"ok"}`))
}

// openAPI answers with the description of the API for programs.
func (x *exchange) openAPI() { x.send(http.StatusOK, plainJSON, openAPI) }

// reference answers with the description of the API for people.
func (x *exchange) reference() {
	x.send(http.StatusOK, []string{"text/html; charset=utf-8"}, reference)
}
