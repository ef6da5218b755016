package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const idempotencyHeader = "Idempotency-Key"

// userAgent is what the service's audit log shows for a call, unless
// [WithHeader] says otherwise.
const userAgent = "latchkey-go"

// httpTransport carries calls over HTTP: each operation is a POST of JSON to its
// name under /v2/.
type httpTransport struct {
	base    string // without a slash at its end
	client  *http.Client
	honours *honours // what is known of the service at base
}

func newHTTPTransport(base string, client *http.Client, honours *honours) *httpTransport {
	t := &httpTransport{base: base, client: &http.Client{}, honours: honours}
	if client != nil {
		*t.client = *client
	} else if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		// The standard one keeps two connections to a host, and so makes a new
		// one for nearly every call of a busy program.
		pool := standard.Clone()
		pool.MaxIdleConns, pool.MaxIdleConnsPerHost = 256, 256
		t.client.Transport = pool
	}
	t.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return t
}

// Send makes one attempt over HTTP.
func (t *httpTransport) Send(ctx context.Context, a *Attempt) (Answer, error) {
	req, err := t.request(ctx, a)
	if err != nil {
		return Answer{}, &hopelessError{fmt.Errorf("latchkey: %s: request: %w", a.Operation, err)}
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
	if a.Operation != "liveness" { // the one that is not a POST
		var err error
		if body, err = encode(a.Request); err != nil {
			return nil, err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+"/v2/"+url.PathEscape(a.Operation), bytes.NewReader(body))
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
	t.name(req, a)
	return req, nil
}

// name gives the request its Idempotency-Key. Go's own transport takes one,
// or the header X-Idempotency-Key, for leave to send a request again when a
// connection breaks. With a service that is not known to honour it that would
// be wrong, and without GetBody it can't.
func (t *httpTransport) name(req *http.Request, a *Attempt) {
	if a.IdempotencyKey != "" {
		req.Header.Set(idempotencyHeader, a.IdempotencyKey)
	}
	named := a.IdempotencyKey != "" || req.Header["X-Idempotency-Key"] != nil
	if named && !t.honours.is(honoured) {
		req.GetBody = nil
	}
}

// reply is the envelope of every answer.
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

// receive reads an answer, or makes the error it stands for. Whatever its
// content type says, it is taken for what it is.
func receive(a *Attempt, res *http.Response) (Answer, error) {
	answer := Answer{Header: res.Header}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer, fmt.Errorf("latchkey: %s: reading the answer: %w", a.Operation, err)
	}
	if res.StatusCode != http.StatusOK {
		return answer, failure(a, res, text)
	}
	r := reply{Data: a.into}
	if err := json.Unmarshal(text, &r); err != nil {
		return answer, &hopelessError{fmt.Errorf("latchkey: %s: the answer, which says it is %q, can't be read: %w",
			a.Operation, res.Header.Get("Content-Type"), err)}
	}
	answer.RequestID, answer.Pagination = r.Meta.RequestID, r.Pagination
	return answer, nil
}

// failure makes an Error of whatever a service sent with a status other than 200.
func failure(a *Attempt, res *http.Response, text []byte) *Error {
	e := &Error{Status: res.StatusCode, Title: http.StatusText(res.StatusCode), RetryAfter: retryAfter(res.Header)}
	var r reply
	if to, err := res.Location(); err == nil && res.StatusCode < http.StatusBadRequest {
		e.Detail = "the service redirects to " + to.Host + "; make that the BaseURL if it is right"
	} else if json.Unmarshal(text, &r) != nil || r.Error == nil {
		e.Detail = "the answer is not Latchkey's: " + excerpt(a, text)
	} else {
		e.Type, e.Title, e.Detail = r.Error.Type, r.Error.Title, r.Error.Detail
		e.Faults, e.RequestID = r.Error.Errors, r.Meta.RequestID
	}
	return e
}

// excerpt returns the beginning of an unexpected answer. What stands before a
// service may show the headers it got, so the root key is taken out.
func excerpt(a *Attempt, text []byte) string {
	const most = 200
	clean := string(text)
	if a.RootKey != "" {
		clean = strings.ReplaceAll(clean, a.RootKey, "[root key]")
	}
	return strings.ToValidUTF8(clean[:min(len(clean), most)], "")
}

// retryAfter returns how long the service asks to wait, zero if it doesn't say:
// in milliseconds, which official SDKs read too, else in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseInt(h.Get("Retry-After-Ms"), 10, 32); err == nil {
		return max(0, time.Duration(ms)*time.Millisecond)
	}
	text := h.Get("Retry-After")
	if s, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
