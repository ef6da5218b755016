package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

const document = "../internal/server/openapi.json"

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// exchanges are requests and answers on their way, each held against the document.
type exchanges struct {
	t    *testing.T
	doc  *openapi3.T
	next http.RoundTripper
	seen sync.Map // the errors that were checked, by path and status
}

// described returns a transport that fails the test when an answer, or a
// request that succeeds, is not as the document describes it.
func described(t *testing.T, next http.RoundTripper) http.RoundTripper {
	return &exchanges{t: t, doc: loadDocument(t), next: next}
}

func (x *exchanges) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := take(&req.Body)
	if err != nil {
		return nil, err
	}
	res, err := x.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	received, err := take(&res.Body)
	if err != nil {
		return nil, err
	}
	if err := x.check(req, sent, res, received); err != nil {
		x.t.Errorf("%s %s is not as described: %v\nrequest: %.1500s\nanswer: %d %.1500s", req.Method, req.URL.Path, err, sent, res.StatusCode, received)
	}
	return res, nil
}

// take reads a body and puts what was read in its place.
func take(body *io.ReadCloser) ([]byte, error) {
	text, err := io.ReadAll(*body)
	*body = io.NopCloser(bytes.NewReader(text))
	return text, err
}

// check passes over paths and methods that are not the document's. Checking is
// slow and the scripts hold errors to one form, so that of the errors with one
// status each operation has one checked.
func (x *exchanges) check(req *http.Request, sent []byte, res *http.Response, received []byte) error {
	item := x.doc.Paths.Value(req.URL.Path)
	if item == nil || item.GetOperation(req.Method) == nil {
		return nil
	}
	if res.StatusCode >= 400 {
		if _, seen := x.seen.LoadOrStore(req.URL.Path+strconv.Itoa(res.StatusCode), true); seen {
			return nil
		}
	}
	operation := item.GetOperation(req.Method)
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	request := &openapi3filter.RequestValidationInput{
		Request: req.Clone(req.Context()), Options: options,
		Route: &routers.Route{Spec: x.doc, Path: req.URL.Path, PathItem: item, Method: req.Method, Operation: operation},
	}
	if res.StatusCode == http.StatusOK {
		request.Request.Body = io.NopCloser(bytes.NewReader(sent))
		if err := openapi3filter.ValidateRequest(req.Context(), request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	header := res.Header.Clone()
	if described := operation.Responses.Status(res.StatusCode); described != nil && req.Header.Get("Accept") != "application/json" {
		for contentType := range described.Value.Content { // the document says what those get who accept application/json
			header.Set("Content-Type", contentType)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: res.StatusCode, Header: header, Options: options,
	}
	return openapi3filter.ValidateResponse(req.Context(), answer.SetBodyBytes(received))
}
