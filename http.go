package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const idempotencyHeader = "Idempotency-Key"

// userAgent is shown by the audit log of the service, unless [WithHeader] sets
// another one.
const userAgent = "latchkey-go"

// maxResponse bounds the bytes of a response, so that nothing that answers at BaseURL can
// take all memory. No response of a Latchkey comes near it.
const maxResponse = 64 << 20

// httpTransport carries calls over HTTP: each operation is a POST of JSON to
// /v2/<name>.
type httpTransport struct {
	base        string // without a slash at its end
	client      *http.Client
	idempotency *idempotencySupport // of the service at base
}

func newHTTPTransport(
	base string, client *http.Client, idempotency *idempotencySupport,
) *httpTransport {
	t := &httpTransport{base: base, client: &http.Client{}, idempotency: idempotency}
	if client != nil {
		*t.client = *client
	} else if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		// The standard transport keeps two idle connections to a host, so a busy
		// program would dial for nearly every call.
		pool := standard.Clone()
		pool.MaxIdleConns, pool.MaxIdleConnsPerHost = 256, 256
		t.client.Transport = pool
	}
	t.client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return t
}

// Send makes one attempt over HTTP.
func (t *httpTransport) Send(ctx context.Context, a *Attempt) (Answer, error) {
	req, err := t.request(ctx, a)
	if err != nil {
		return Answer{}, &permanentError{fmt.Errorf("latchkey: %s: request: %w", a.Operation, err)}
	}
	res, err := t.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("latchkey: %s: %w", a.Operation, err)
	}
	defer res.Body.Close()
	return receive(a, res)
}

func (t *httpTransport) request(ctx context.Context, a *Attempt) (*http.Request, error) {
	method, body := http.MethodGet, []byte(nil)
	if !isGET(a.Operation) {
		var err error
		if body, err = encode(a.Request); err != nil {
			return nil, err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+"/v2/"+url.PathEscape(a.Operation),
		bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	for name, values := range a.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Del("Authorization")
	if a.RootKey != "" {
		req.Header.Set("Authorization", "Bearer "+a.RootKey)
	}
	if a.PortalSession != "" {
		req.Header.Set("Cookie", PortalSessionCookie+"="+a.PortalSession)
	}
	t.name(req, a)
	return req, nil
}

// name sets the Idempotency-Key of the request. With one, or with the header
// X-Idempotency-Key, net/http's transport sends a request again when a connection
// breaks. That is wrong for a service that is not known to honor the header, and
// impossible without GetBody.
func (t *httpTransport) name(req *http.Request, a *Attempt) {
	if a.IdempotencyKey != "" {
		req.Header.Set(idempotencyHeader, a.IdempotencyKey)
	}
	named := a.IdempotencyKey != "" || req.Header["X-Idempotency-Key"] != nil
	if named && !t.idempotency.is(honored) {
		req.GetBody = nil
	}
}

// reply is the envelope of every response.
type reply struct {
	Meta struct {
		RequestID string `json:"requestId"`
	} `json:"meta"`
	Data       any         `json:"data"` // a pointer to decode into
	Pagination *Pagination `json:"pagination"`
	Error      *problem    `json:"error"`
}

// problem is the error part of the envelope.
type problem struct {
	Title  string  `json:"title"`
	Detail string  `json:"detail"`
	Type   string  `json:"type"`
	Errors []Fault `json:"errors"`
}

// receive reads a response and returns its data or its error. Its content type
// doesn't matter: services and proxies disagree on it.
func receive(a *Attempt, res *http.Response) (Answer, error) {
	answer := Answer{Header: res.Header}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return answer, fmt.Errorf("latchkey: %s: reading the response: %w", a.Operation, err)
	}
	if len(text) > maxResponse {
		return answer, &permanentError{fmt.Errorf(
			"latchkey: %s: the response is longer than %d MiB; ask for smaller pages, or check BaseURL",
			a.Operation, maxResponse>>20)}
	}
	if res.StatusCode != http.StatusOK {
		return answer, failure(a, res, text)
	}
	r := reply{Data: a.into}
	if err := json.Unmarshal(text, &r); err != nil {
		return answer, &permanentError{fmt.Errorf(
			"latchkey: %s: the response, of type %q, can't be decoded: %w",
			a.Operation, res.Header.Get("Content-Type"), err)}
	}
	answer.RequestID, answer.Pagination = r.Meta.RequestID, r.Pagination
	if op := byName[a.Operation]; op != nil && op.Bare {
		if err := json.Unmarshal(text, a.into); err != nil {
			return answer, &permanentError{fmt.Errorf(
				"latchkey: %s: the response can't be decoded: %w", a.Operation, err)}
		}
	}
	return answer, nil
}

// failure returns the error of a response with a status other than 200.
func failure(a *Attempt, res *http.Response, text []byte) *Error {
	e := &Error{
		Status: res.StatusCode, Title: http.StatusText(res.StatusCode),
		RetryAfter: retryAfter(res.Header),
	}
	var r reply
	if to, err := res.Location(); err == nil && res.StatusCode < http.StatusBadRequest {
		e.Detail = "the service redirects to " + to.Host +
			"; set BaseURL to that host if it is the right one"
	} else if json.Unmarshal(text, &r) != nil || r.Error == nil {
		e.Detail = "the response is not from Latchkey: " + excerpt(a, text)
	} else {
		e.Type, e.Title, e.Detail = r.Error.Type, r.Error.Title, r.Error.Detail
		e.Faults, e.RequestID = r.Error.Errors, r.Meta.RequestID
	}
	return e
}

// excerpt returns the beginning of an unexpected response. A proxy can show the
// headers that it got, so the root key is removed before the text is cut.
func excerpt(a *Attempt, text []byte) string {
	const most = 200
	clean := string(text)
	if a.RootKey != "" {
		clean = strings.ReplaceAll(clean, a.RootKey, "[root key]")
	}
	if a.PortalSession != "" {
		clean = strings.ReplaceAll(clean, a.PortalSession, "[access token]")
	}
	return strings.ToValidUTF8(clean[:min(len(clean), most)], "")
}

// retryAfter returns how long the service asks to wait, zero if it doesn't: in
// milliseconds, which Unkey's SDKs read too, else in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	if d, ok := wholeUnits(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	text := h.Get("Retry-After")
	if d, ok := wholeUnits(text, time.Second); ok {
		return d
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// wholeUnits reads a whole number of units. One that is too large is the longest
// duration, because a service that asks for a very long wait must not get none.
func wholeUnits(text string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(max(0, min(n, int64(math.MaxInt64/unit)))) * unit, true
}
