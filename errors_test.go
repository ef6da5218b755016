package latchkey_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// answering returns a client of a service that gives one answer to everything.
func answering(
	t *testing.T, status int, contentType, body string, header ...string,
) *latchkey.Client {
	t.Helper()
	return newClient(t, latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: rootKey, Retry: latchkey.NoRetry,
		HTTPClient: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				res := response(r, status, body)
				res.Header.Set("Content-Type", contentType)
				for i := 0; i < len(header); i += 2 {
					res.Header.Set(header[i], header[i+1])
				}
				return res, nil
			}),
		},
	})
}

// TestErrorsAreReadWhateverTheirContentType: services and proxies disagree on
// the type of an error, but not on what it says.
func TestErrorsAreReadWhateverTheirContentType(t *testing.T) {
	body := `{"meta":{"requestId":"req_7"},"error":{
		"title":"Not Found","detail":"No such API.","status":404,
		"type":"https://unkey.com/docs/errors/unkey/data/api_not_found",
		"errors":[{"location":"body.apiId","message":"is wrong","fix":"send another"}]}}`
	want := &latchkey.Error{
		Status: 404, Title: "Not Found", Detail: "No such API.",
		Type:      "https://unkey.com/docs/errors/unkey/data/api_not_found",
		Faults:    []latchkey.Fault{{Location: "body.apiId", Message: "is wrong", Fix: "send another"}},
		RequestID: "req_7", RetryAfter: 2 * time.Second, Attempts: 1,
	}
	for _, media := range []string{
		"application/json", "application/problem+json; charset=utf-8", "text/plain", "",
	} {
		for name, call := range calls {
			err := call(t.Context(), answering(t, 404, media, body, "Retry-After", "2"))
			var got *latchkey.Error
			if !errors.As(err, &got) || !errors.Is(err, latchkey.ErrNotFound) ||
				got.Code() != "api_not_found" {
				t.Fatalf("%s as %q: %v", name, media, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s as %q: -want +got\n%s", name, media, diff)
			}
		}
	}
}

// TestAnswersThatSayNothingAreErrors: what is not an answer must not be taken
// for one that says no, zero or nothing more.
func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `true`, `<html>login</html>`, `{"data":`,
		`{"meta":{"requestId":"req_1"}}`,
		`{"meta":{"requestId":"req_1"},"data":null}`, `{"meta":{"requestId":"req_1"},"data":[1]}`,
		`{"meta":{"requestId":"req_1"},"data":"ok"}`, `{"valid":true,"code":"VALID"}`,
	} {
		c := answering(t, 200, "application/json", body)
		if v, err := c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: "k"}); err == nil {
			t.Errorf("verification of %s: %+v", body, v)
		}
		if l, err := c.Ratelimits.Limit(t.Context(), latchkey.LimitRequest{}); err == nil {
			t.Errorf("limit of %s: %+v", body, l)
		}
		if p, err := c.APIs.ListKeys(t.Context(), latchkey.ListKeysRequest{}); err == nil {
			t.Errorf("page of %s: %+v", body, p)
		}
	}
	for _, data := range []string{`{}`, `{"valid":true}`, `{"valid":false,"code":""}`} {
		c := answering(t, 200, "application/json", `{"meta":{},"data":`+data+`}`)
		if v, err := c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: "k"}); err == nil ||
			v.Valid {
			t.Errorf("verification of %s: %+v, %v", data, v, err)
		}
	}
	c := answering(t, 200, "application/json", `{"meta":{},"data":[]}`)
	if _, err := c.APIs.ListKeys(t.Context(), latchkey.ListKeysRequest{}); err == nil {
		t.Error("a list without pagination is a page")
	}
	if err := c.Identities.Delete(t.Context(), latchkey.DeleteIdentityRequest{}); err != nil {
		t.Errorf("an operation without data: %v", err)
	}
}

// TestOnlyStatus200IsSuccess: a 201 or 204 that somebody else sends is not.
func TestOnlyStatus200IsSuccess(t *testing.T) {
	for _, status := range []int{201, 202, 204, 226, 302, 400, 418, 500, 599} {
		err := calls["count"](t.Context(),
			answering(t, status, "application/json", `{"data":{"valid":true,"code":"VALID"}}`))
		var refused *latchkey.Error
		if !errors.As(err, &refused) || refused.Status != status {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestStrangeAnswersAreQuotedWithoutTheRootKey(t *testing.T) {
	echo := "You sent: Authorization: Bearer " + rootKey + strings.Repeat("!", 500)
	err := calls["read"](t.Context(), answering(t, 502, "text/html", echo))
	var refused *latchkey.Error
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	text := err.Error()
	if !strings.Contains(text, "You sent") || strings.Contains(text, "sesame") ||
		len(refused.Detail) > 300 {
		t.Errorf("got %s", text)
	}
}

// TestTheEndOfAQuotationShowsNoPartOfTheRootKey: a root key that begins just
// before the place where a quotation is cut is taken out first.
func TestTheEndOfAQuotationShowsNoPartOfTheRootKey(t *testing.T) {
	for before := range 200 {
		body := strings.Repeat(".", before) + rootKey + strings.Repeat("!", 500)
		err := calls["read"](t.Context(), answering(t, 502, "text/html", body))
		if err == nil || strings.Contains(err.Error(), rootKey[:3]) {
			t.Errorf("after %d bytes: %v", before, err)
		}
	}
}

// TestNetworkErrorsKeepTheirCause: callers find what net/http and their context
// say, and nothing says the root key.
func TestNetworkErrorsKeepTheirCause(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	lost := func(f fault) *latchkey.Client {
		return (&service{last: f}).client(t, func(cfg *latchkey.Config) {
			cfg.Timeout, cfg.Retry = time.Millisecond, latchkey.RetryPolicy{Initial: 1}
		})
	}
	for what, c := range map[string]struct {
		ctx    context.Context
		client *latchkey.Client
		is     error
	}{
		"canceled":      {canceled, lost(slow), context.Canceled},
		"past deadline": {late, lost(slow), context.DeadlineExceeded},
		"timed out":     {t.Context(), lost(slow), context.DeadlineExceeded},
		"connection":    {t.Context(), lost(lostAfter), io.ErrUnexpectedEOF},
		"never sent":    {t.Context(), lost(undialed), nil},
		"a transport of": {t.Context(), newClient(t, latchkey.Config{Transport: broken{}}),
			io.ErrClosedPipe},
	} {
		for name, call := range calls {
			err := call(c.ctx, c.client)
			var cause *url.Error
			if err == nil || c.is != nil && !errors.Is(err, c.is) ||
				what != "a transport of" && !errors.As(err, &cause) {
				t.Errorf("%s %s: %v", what, name, err)
			}
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "sk_open") {
				t.Errorf("%s %s: a secret in %v", what, name, err)
			}
		}
	}
}

// broken is a transport that fails in its own way.
type broken struct{}

func (broken) Send(context.Context, *latchkey.Attempt) (latchkey.Answer, error) {
	return latchkey.Answer{}, io.ErrClosedPipe
}

// TestOneErrorInProcessToo: the error of a call has one type, whichever way it
// came and however deep it was.
func TestOneErrorInProcessToo(t *testing.T) {
	s := latchkeytest.New(t)
	overHTTP := newClient(t, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	for way, c := range map[string]*latchkey.Client{"in process": s.Client, "over HTTP": overHTTP} {
		_, err := c.APIs.Get(t.Context(), latchkey.GetAPIRequest{APIID: "api_of_nobody"})
		var refused *latchkey.Error
		if !errors.Is(err, latchkey.ErrNotFound) || !errors.As(err, &refused) {
			t.Fatalf("%s: %v", way, err)
		}
		if refused.Attempts != 1 || !strings.HasPrefix(refused.RequestID, "req_") ||
			refused.Code() != "api_not_found" {
			t.Errorf("%s: %+v", way, refused)
		}
		c.SetRootKey("unkey_unknown")
		if _, err := c.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); !errors.Is(
			err, latchkey.ErrUnauthorized,
		) {
			t.Errorf("%s: %v", way, err)
		}
		c.SetRootKey("")
		if _, err := c.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); !errors.Is(
			err, latchkey.ErrBadRequest,
		) {
			t.Errorf("%s: %v", way, err)
		}
	}
}
