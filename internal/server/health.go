package server

import "net/http"

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
