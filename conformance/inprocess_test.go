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

// inProcess plays scripts without HTTP: what a request asks of an operation goes
// straight to the engine, as calls of the service's own client do, and the answer
// is put into the envelope that scripts read. What only HTTP knows (other paths
// and methods, bodies that are no JSON, headers that are missing or malformed, the
// choice of a content type)
// goes to the handler.
type inProcess struct{ *embedded.Service }

// RoundTrip implements [http.RoundTripper].
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	answer := httptest.NewRecorder()
	if attempt, ok := attemptOf(r, body); ok {
		p.answer(answer, r, attempt)
	} else {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		p.Handler.ServeHTTP(answer, r)
	}
	result := answer.Result()
	result.Request = r
	return result, nil
}

// longest is the longest body that is read over HTTP; in process there is none.
const longest = 10 << 20

// attemptOf returns a request as an attempt of a call, if it can be one.
func attemptOf(r *http.Request, body []byte) (*latchkey.Attempt, bool) {
	operation, under := strings.CutPrefix(r.URL.Path, "/v2/")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	op, known := engine.Lookup(operation)
	ok := under && known && bearer && token == strings.TrimSpace(token) && token != "" && !op.GET &&
		r.Method == http.MethodPost && !negotiates(r) &&
		r.Header.Get("Content-Type") == "application/json" && len(body) <= longest && json.Valid(body)
	header := r.Header.Clone()
	if header.Get("X-Forwarded-For") == "" {
		header.Set("X-Forwarded-For", "127.0.0.1")
	}
	return &latchkey.Attempt{
		Operation: operation, Request: json.RawMessage(body), RootKey: token, Number: 1,
		IdempotencyKey: r.Header.Get("Idempotency-Key"), Header: header,
	}, ok
}

// negotiates reports whether a request asks for problems by their content type.
func negotiates(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "problem") || strings.Contains(accept, "*")
}

// answer makes the call and writes its answer as the handler would.
func (p inProcess) answer(w http.ResponseWriter, r *http.Request, a *latchkey.Attempt) {
	answer, err := p.Send(r.Context(), a)
	var refused *latchkey.Error
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.As(err, &refused):
		if refused.Status == http.StatusTooManyRequests || a.Operation == "identities.deleteIdentity" {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		writeRefusal(w, refused)
	case err != nil:
		http.Error(w, err.Error(), http.StatusTeapot) // which no script expects
	default:
		w.Header().Set("X-Request-Id", answer.RequestID)
		envelope := map[string]any{"meta": map[string]string{"requestId": answer.RequestID}}
		if answer.Data != nil {
			envelope["data"] = answer.Data
		}
		if answer.Pagination != nil {
			envelope["pagination"] = answer.Pagination
		}
		_ = json.NewEncoder(w).Encode(envelope) // a recorder takes everything
	}
}

// writeRefusal writes an error in its envelope, with a list of faults where
// clients expect one.
func writeRefusal(w http.ResponseWriter, e *latchkey.Error) {
	problem := map[string]any{"title": e.Title, "detail": e.Detail, "status": e.Status, "type": e.Type}
	if e.Status == http.StatusBadRequest {
		problem["errors"] = append([]latchkey.Fault{}, e.Faults...)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	w.Header().Set("X-Request-Id", e.RequestID)
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"meta": map[string]string{"requestId": e.RequestID}, "error": problem})
}

// TestServiceInProcess runs the scripts against the engine without HTTP.
func TestServiceInProcess(t *testing.T) {
	target, service := serve(t)
	target.NoQuota = true
	target.Client = &http.Client{Transport: inProcess{service}}
	Run(t, target)
}
