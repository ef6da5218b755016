package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// inProcess runs scripts without HTTP. It passes a request to the engine, as the service's own
// client does, and wraps the response in the envelope that scripts expect. It passes a request to
// the handler if the request tests something that only HTTP has: another path or method, a body
// that is not JSON, a missing or malformed header, or content negotiation.
type inProcess struct{ *embedded.Service }

// RoundTrip implements [http.RoundTripper].
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	res := httptest.NewRecorder()
	if a, ok := attempt(r, body); ok {
		p.respond(res, r, a)
	} else {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		p.Handler.ServeHTTP(res, r)
	}
	result := res.Result()
	result.Request = r
	return result, nil
}

// attempt converts a request to an attempt of a call, if possible. In process there is no
// maximum size of a body.
func attempt(r *http.Request, body []byte) (*latchkey.Attempt, bool) {
	operation, under := strings.CutPrefix(r.URL.Path, "/v2/")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	op, known := engine.Lookup(operation)
	session, err := r.Cookie(latchkey.PortalSessionCookie)
	authenticates := bearer && token == strings.TrimSpace(token) && token != ""
	if known && op.Scope != "" {
		authenticates = err == nil && session.Value != "" && r.Header.Get("Authorization") == "" &&
			len(r.Cookies()) == 1
	}
	ok := under && known && authenticates && !op.GET &&
		r.Method == http.MethodPost && !negotiates(r) &&
		r.Header.Get("Content-Type") == "application/json" && int64(len(body)) <= op.MaxBody() &&
		json.Valid(body)
	header := r.Header.Clone()
	if header.Get("X-Forwarded-For") == "" {
		header.Set("X-Forwarded-For", "127.0.0.1")
	}
	a := &latchkey.Attempt{
		Operation: operation, Request: json.RawMessage(body), RootKey: token, Number: 1,
		IdempotencyKey: r.Header.Get("Idempotency-Key"), Header: header,
	}
	if session != nil {
		a.PortalSession = session.Value
	}
	return a, ok
}

// negotiates reports whether a request accepts problem+json errors.
func negotiates(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "problem") || strings.Contains(accept, "*")
}

// respond makes the call and writes its response as the handler would.
func (p inProcess) respond(w http.ResponseWriter, r *http.Request, a *latchkey.Attempt) {
	res, err := p.Send(r.Context(), a)
	var failure *latchkey.Error
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.As(err, &failure):
		if failure.Status == http.StatusTooManyRequests ||
			a.Operation == "identities.deleteIdentity" {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		writeError(w, failure)
	case err != nil:
		http.Error(w, err.Error(), http.StatusTeapot) // no script expects this status
	default:
		w.Header().Set("X-Request-Id", res.RequestID)
		envelope := map[string]any{}
		envelope["meta"] = map[string]string{"requestId": res.RequestID}
		op, _ := latchkey.LookupOperation(a.Operation)
		switch {
		case op.Bare:
			data, _ := json.Marshal(res.Data) // a script misses what can't be written or read
			_ = json.Unmarshal(data, &envelope)
		case res.Data != nil:
			envelope["data"] = res.Data
		}
		if res.Pagination != nil {
			envelope["pagination"] = res.Pagination
		}
		_ = json.NewEncoder(w).Encode(envelope) // writing to a recorder cannot fail
	}
}

// writeError writes an error in its envelope, with a list of faults where clients expect one.
func writeError(w http.ResponseWriter, e *latchkey.Error) {
	problem := map[string]any{"title": e.Title, "detail": e.Detail, "status": e.Status,
		"type": e.Type}
	if e.Status == http.StatusBadRequest {
		problem["errors"] = append([]latchkey.Fault{}, e.Faults...)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	w.Header().Set("X-Request-Id", e.RequestID)
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"meta": map[string]string{"requestId": e.RequestID}, "error": problem})
}

// TestServiceInProcess runs the scripts against the engine without HTTP.
func TestServiceInProcess(t *testing.T) {
	target, service := serve(t)
	target.NoQuota = true
	target.Client = &http.Client{Transport: inProcess{service}}
	Run(t, target)
}
