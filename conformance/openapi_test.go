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

// validator is a transport that validates requests and responses against the document.
type validator struct {
	t    *testing.T
	doc  *openapi3.T
	next http.RoundTripper
	seen sync.Map // checked errors by path and status
}

// validating returns a transport that fails the test if a response, or a successful request, does
// not match the document.
func validating(t *testing.T, next http.RoundTripper) http.RoundTripper {
	doc := loadDocument(t)
	// The validator of OpenAPI 3.0 is as strict for this document and compiles no schemas.
	doc.OpenAPI = "3.0.3"
	return &validator{t: t, doc: doc, next: next}
}

func (x *validator) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := readBody(&req.Body)
	if err != nil {
		return nil, err
	}
	res, err := x.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	received, err := readBody(&res.Body)
	if err != nil {
		return nil, err
	}
	if err := x.check(req, sent, res, received); err != nil {
		x.t.Errorf("%s %s does not match the document: %v\nrequest: %.1500s\nresponse: %d %.1500s",
			req.Method, req.URL.Path, err, sent, res.StatusCode, received)
	}
	return res, nil
}

// readBody reads a body and replaces it with its content.
func readBody(body *io.ReadCloser) ([]byte, error) {
	text, err := io.ReadAll(*body)
	*body = io.NopCloser(bytes.NewReader(text))
	return text, err
}

// check ignores paths and methods that are not in the document. Validation is slow, and the scripts
// already check the form of errors, so check validates one error per operation and status.
func (x *validator) check(req *http.Request, sent []byte, res *http.Response,
	received []byte) error {
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
	options := &openapi3filter.Options{IncludeResponseStatus: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	request := &openapi3filter.RequestValidationInput{
		Request: req.Clone(req.Context()), Options: options,
		Route: &routers.Route{Spec: x.doc, Path: req.URL.Path, PathItem: item, Method: req.Method,
			Operation: operation},
	}
	if res.StatusCode == http.StatusOK {
		request.Request.Body = io.NopCloser(bytes.NewReader(sent))
		if err := openapi3filter.ValidateRequest(req.Context(), request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	header := res.Header.Clone()
	if described := operation.Responses.Status(res.StatusCode); described != nil &&
		req.Header.Get("Accept") != "application/json" {
		// the document describes the response to clients that accept application/json
		for contentType := range described.Value.Content {
			header.Set("Content-Type", contentType)
		}
	}
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: res.StatusCode, Header: header, Options: options,
	}
	return openapi3filter.ValidateResponse(req.Context(), response.SetBodyBytes(received))
}
