package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/models/operations"
	"github.com/unkeyed/sdks/api/go/v2/retry"
)

// proxy is in front of the server and responds to the first requests itself.
type proxy struct {
	*httptest.Server
	script   []int // statuses of its own responses, or lost
	requests int   // received requests
}

// lost forwards the request, drops the server's response and responds with 503.
const lost = 0

// newProxy starts a proxy. It forwards the requests after those of the script.
func newProxy(script ...int) *proxy {
	p := &proxy{script: script}
	through := httputil.NewSingleHostReverseProxy(must(url.Parse(env("BASE_URL"))))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests++
		if p.requests > len(p.script) {
			through.ServeHTTP(w, r)
			return
		}
		status := p.script[p.requests-1]
		if status == lost {
			through.ServeHTTP(httptest.NewRecorder(), r)
			status = http.StatusServiceUnavailable
		}
		respondError(w, status)
	}))
	return p
}

// respondError writes an error envelope, as a failing server does.
func respondError(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"meta":{"requestId":"req_proxy"},"error":{"title":"Trouble",`+
		`"detail":"Try again.","status":%d,"type":"about:blank"}}`, status)
}

// viaProxy runs SDK calls through a proxy, and checks how many requests it received.
func (s *suite) viaProxy(what string, requests int, script []int, calls func(un *unkey.Unkey),
	options ...unkey.SDKOption) {
	p := newProxy(script...)
	defer p.Close()
	calls(s.client(env("ROOT_KEY"), append(options, unkey.WithServerURL(p.URL))...))
	s.same(what+", requests", p.requests, requests)
}

// retries checks that the SDK's retries reach the server and take effect once.
func (s *suite) retries() {
	s.viaProxy("500 and 503, then success", 3, []int{500, 503}, func(un *unkey.Unkey) {
		name := unique("retried")
		id := must(un.Apis.CreateAPI(s.ctx,
			components.V2ApisCreateAPIRequestBody{
				Name: name})).V2ApisCreateAPIResponseBody.Data.APIID
		got := must(s.un.Apis.GetAPI(s.ctx,
			components.V2ApisGetAPIRequestBody{APIID: id})).V2ApisGetAPIResponseBody.Data
		s.same("the API created after retries", got,
			components.V2ApisGetAPIResponseData{ID: id, Name: name})
	})
	s.viaProxy("an error of the server", 1, nil, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.fails("getApi of nothing", err, notFound)
	})
	s.viaProxy("429", 1, []int{429}, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.fails("429 as application/json", err, sdkError{"APIError", 429, ""})
	})
	none := unkey.WithRetryConfig(retry.Config{Strategy: "none"})
	s.viaProxy("500 without retries", 1, []int{500}, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.fails("500", err, sdkError{"InternalServerErrorResponse", 500, "about:blank"})
	}, none)
	s.spendsOnce()
	s.createsOnce()
}

// spendsOnce verifies a key with credits while the first attempts do not reach the server.
func (s *suite) spendsOnce() {
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: s.newAPI(),
		Credits: &components.KeyCreditsData{Remaining: unkey.Pointer(int64(10))}})
	s.viaProxy("verifyKey", 3, []int{503, 500}, func(un *unkey.Unkey) {
		got := must(un.Keys.VerifyKey(s.ctx,
			components.V2KeysVerifyKeyRequestBody{
				Key: created.Key})).V2KeysVerifyKeyResponseBody.Data
		s.same("credits spent once", got.Credits, unkey.Pointer(int64(9)))
	})
}

// createsOnce drops the response to a createKey that took effect. With the header
// Idempotency-Key, the retry does not create a second key.
func (s *suite) createsOnce() {
	api := s.newAPI()
	s.viaProxy("a dropped response", 2, []int{lost}, func(un *unkey.Unkey) {
		once := operations.WithSetHeaders(map[string]string{"Idempotency-Key": unique("once")})
		created := must(un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: api},
			once)).V2KeysCreateKeyResponseBody.Data
		keys := must(s.un.Apis.ListKeys(s.ctx,
			components.V2ApisListKeysRequestBody{APIID: api})).V2ApisListKeysResponseBody.Data
		s.same("created keys", len(keys), 1)
		s.same("the created key", s.verify(created.Key).Code, components.CodeValid)
	})
}
