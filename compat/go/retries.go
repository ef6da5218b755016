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

// proxy stands before the server and answers the first requests itself.
type proxy struct {
	*httptest.Server
	script []int // statuses of its own answers; lost stands for a real answer that is lost
	sends  int   // requests that came
}

// lost lets the request through and answers 503 in place of the server.
const lost = 0

// newProxy starts a proxy. The requests after those of the script go through.
func newProxy(script ...int) *proxy {
	p := &proxy{script: script}
	through := httputil.NewSingleHostReverseProxy(must(url.Parse(env("BASE_URL"))))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.sends++
		if p.sends > len(p.script) {
			through.ServeHTTP(w, r)
			return
		}
		status := p.script[p.sends-1]
		if status == lost {
			through.ServeHTTP(httptest.NewRecorder(), r)
			status = http.StatusServiceUnavailable
		}
		refuse(w, status)
	}))
	return p
}

// refuse answers in the envelope, as a server in trouble does.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"meta":{"requestId":"req_proxy"},"error":{"title":"Trouble","detail":"Try again.","status":%d,"type":"about:blank"}}`, status)
}

// through runs calls of the SDK by way of a proxy and checks how often they were
// sent.
func (s *suite) through(what string, sends int, script []int, calls func(un *unkey.Unkey), options ...unkey.SDKOption) {
	p := newProxy(script...)
	defer p.Close()
	calls(s.client(env("ROOT_KEY"), append(options, unkey.WithServerURL(p.URL))...))
	s.same(what+", sends", p.sends, sends)
}

// retries checks that the SDK's retries reach the server and do what was asked
// once.
func (s *suite) retries() {
	s.through("500 and 503, then success", 3, []int{500, 503}, func(un *unkey.Unkey) {
		name := unique("retried")
		id := must(un.Apis.CreateAPI(s.ctx, components.V2ApisCreateAPIRequestBody{Name: name})).V2ApisCreateAPIResponseBody.Data.APIID
		got := must(s.un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: id})).V2ApisGetAPIResponseBody.Data
		s.same("the API made in the end", got, components.V2ApisGetAPIResponseData{ID: id, Name: name})
	})
	s.through("a refusal by the server", 1, nil, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.refused("getApi of nothing", err, notFound)
	})
	s.through("429", 1, []int{429}, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.refused("429 as application/json", err, refusal{"APIError", 429, ""})
	})
	none := unkey.WithRetryConfig(retry.Config{Strategy: "none"})
	s.through("500 without retries", 1, []int{500}, func(un *unkey.Unkey) {
		_, err := un.Apis.GetAPI(s.ctx, components.V2ApisGetAPIRequestBody{APIID: "unknown_12345"})
		s.refused("500", err, refusal{"InternalServerErrorResponse", 500, "about:blank"})
	}, none)
	s.spentOnce()
	s.madeOnce()
}

// spentOnce verifies with a cost while the first tries do not reach the server.
func (s *suite) spentOnce() {
	made := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: s.newAPI(), Credits: &components.KeyCreditsData{Remaining: unkey.Pointer(int64(10))}})
	s.through("verifyKey", 3, []int{503, 500}, func(un *unkey.Unkey) {
		got := must(un.Keys.VerifyKey(s.ctx, components.V2KeysVerifyKeyRequestBody{Key: made.Key})).V2KeysVerifyKeyResponseBody.Data
		s.same("credits spent once", got.Credits, unkey.Pointer(int64(9)))
	})
}

// madeOnce loses the answer to a createKey that was carried out. The header
// Idempotency-Key, which the SDK sends along if told to, makes the repetition
// harmless.
func (s *suite) madeOnce() {
	api := s.newAPI()
	s.through("a lost answer", 2, []int{lost}, func(un *unkey.Unkey) {
		once := operations.WithSetHeaders(map[string]string{"Idempotency-Key": unique("once")})
		made := must(un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: api}, once)).V2KeysCreateKeyResponseBody.Data
		keys := must(s.un.Apis.ListKeys(s.ctx, components.V2ApisListKeysRequestBody{APIID: api})).V2ApisListKeysResponseBody.Data
		s.same("keys made", len(keys), 1)
		s.same("the key made", s.verify(made.Key).Code, components.CodeValid)
	})
}
