package server

import "net/http"

// live responds while the process runs.
func (x *exchange) live() { x.send(http.StatusOK, plainJSON, []byte(`{"status":"ok"}`)) }

// ready responds with 200 if this node should get requests, else with 503. Only the log
// has the reason, because it can name internals.
func (x *exchange) ready() {
	if x.cause = x.Ready(x.r.Context()); x.cause != nil {
		x.send(http.StatusServiceUnavailable, plainJSON, []byte(`{"status":"unavailable"}`))
		return
	}
	x.send(http.StatusOK, plainJSON, []byte(`{"status":"ok"}`))
}
