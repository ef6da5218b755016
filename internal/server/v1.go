package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// v1 is version 1 of Unkey's API, for clients that don't know version 2. It has no rules of
// its own: each route translates its request to operations of version 2, passes them to
// Engine.Serve, and translates their responses.
type v1 struct {
	*exchange
	token     string // the root key, or ""
	workspace string // of the root key, after the first operation
	byKey     *engine.ByKey
}

// v1Route is a route of version 1.
type v1Route struct {
	method, path string
	// operation is the operation whose body limit the route has. Most routes call only it.
	operation string
	serve     func(*v1) (any, error)
}

var v1Routes = []v1Route{
	{http.MethodGet, "liveness", "liveness", (*v1).liveness},

	{http.MethodPost, "apis.createApi", "apis.createApi", body((*v1).createAPI)},
	{http.MethodGet, "apis.getApi", "apis.getApi", (*v1).getAPI},
	{http.MethodGet, "apis.listKeys", "apis.listKeys", (*v1).listKeys},
	{http.MethodPost, "apis.deleteApi", "apis.deleteApi", body((*v1).deleteAPI)},
	{http.MethodPost, "apis.deleteKeys", "keys.deleteKey", body((*v1).deleteKeys)},

	{http.MethodPost, "keys.createKey", "keys.createKey", body((*v1).createKey)},
	{http.MethodPost, "keys.verifyKey", "keys.verifyKey", body((*v1).verifyKey)},
	{http.MethodGet, "keys.getKey", "keys.getKey", (*v1).getKey},
	{http.MethodPost, "keys.whoami", "keys.whoami", body((*v1).whoami)},
	{http.MethodPost, "keys.updateKey", "keys.updateKey", body((*v1).updateKey)},
	{http.MethodPost, "keys.updateRemaining", "keys.updateCredits", body((*v1).updateRemaining)},
	{http.MethodPost, "keys.deleteKey", "keys.deleteKey", body((*v1).deleteKey)},
	{http.MethodGet, "keys.getVerifications", "analytics.getVerifications", (*v1).analytics},
	{http.MethodPost, "keys.addPermissions", "keys.addPermissions", body((*v1).addPermissions)},
	{http.MethodPost, "keys.setPermissions", "keys.setPermissions", body((*v1).setPermissions)},
	{
		http.MethodPost, "keys.removePermissions", "keys.removePermissions",
		body((*v1).removePermissions),
	},
	{http.MethodPost, "keys.addRoles", "keys.addRoles", body((*v1).addRoles)},
	{http.MethodPost, "keys.setRoles", "keys.setRoles", body((*v1).setRoles)},
	{http.MethodPost, "keys.removeRoles", "keys.removeRoles", body((*v1).removeRoles)},

	{
		http.MethodPost, "permissions.createPermission", "permissions.createPermission",
		body((*v1).createPermission),
	},
	{http.MethodGet, "permissions.getPermission", "permissions.getPermission", (*v1).getPermission},
	{
		http.MethodGet, "permissions.listPermissions", "permissions.listPermissions",
		(*v1).listPermissions,
	},
	{
		http.MethodPost, "permissions.deletePermission", "permissions.deletePermission",
		body((*v1).deletePermission),
	},
	{http.MethodPost, "permissions.createRole", "permissions.createRole", body((*v1).createRole)},
	{http.MethodGet, "permissions.getRole", "permissions.getRole", (*v1).getRole},
	{http.MethodGet, "permissions.listRoles", "permissions.listRoles", (*v1).listRoles},
	{http.MethodPost, "permissions.deleteRole", "permissions.deleteRole", body((*v1).deleteRole)},

	{
		http.MethodPost, "identities.createIdentity", "identities.createIdentity",
		body((*v1).createIdentity),
	},
	{http.MethodGet, "identities.getIdentity", "identities.getIdentity", (*v1).getIdentity},
	{http.MethodGet, "identities.listIdentities", "identities.listIdentities", (*v1).listIdentities},
	{
		http.MethodPost, "identities.updateIdentity", "identities.updateIdentity",
		body((*v1).updateIdentity),
	},
	{
		http.MethodPost, "identities.deleteIdentity", "identities.deleteIdentity",
		body((*v1).deleteIdentity),
	},

	{http.MethodPost, "ratelimits.limit", "ratelimit.limit", body((*v1).limit)},
	{http.MethodPost, "ratelimits.setOverride", "ratelimit.setOverride", body((*v1).setOverride)},
	{http.MethodGet, "ratelimits.getOverride", "ratelimit.getOverride", (*v1).getOverride},
	{http.MethodGet, "ratelimits.listOverrides", "ratelimit.listOverrides", (*v1).listOverrides},
	{
		http.MethodPost, "ratelimits.deleteOverride", "ratelimit.deleteOverride",
		body((*v1).deleteOverride),
	},

	{http.MethodPost, "migrations.createKeys", "keys.migrateKeys", body((*v1).migrateKeys)},
	{http.MethodPost, "migrations.enqueueKeys", "keys.migrateKeys", body((*v1).enqueueKeys)},
	{http.MethodGet, "analytics.getVerifications", "analytics.getVerifications", (*v1).analytics},

	// The routes from before the others, which some clients still call.
	{http.MethodPost, "keys", "keys.createKey", body((*v1).createKey)},
	{http.MethodPost, "keys/verify", "keys.verifyKey", body((*v1).verifyKey)},
	{http.MethodGet, "apis/{apiId}/keys", "apis.listKeys", (*v1).listKeys},
}

// The errors of version 1 that no operation has.
var (
	v1Closed = httpError(http.StatusNotFound, "Not Found", "route_not_found",
		"This server does not speak version 1 of the API. Its operations are under /v2/, for "+
			"example POST /v2/keys.verifyKey. To serve old clients, its operator can start it "+
			"with --v1.")
	v1NotFound = httpError(http.StatusNotFound, "Not Found", "route_not_found",
		"Version 1 of the API has no such route.")
)

// openV1 adds the routes of version 1, or, if the door is closed, one that says so.
func (s *server) openV1(open bool, apis []string) {
	if !open {
		s.mux.HandleFunc("/v1/", s.handler(func(x *exchange) { (&v1{exchange: x}).fail(v1Closed) }))
		return
	}
	byKey := engine.NewByKey(apis)
	for _, route := range v1Routes {
		op, known := engine.Lookup(route.operation)
		if !known {
			panic("v1: " + route.path + ": there is no operation " + route.operation)
		}
		f := s.metrics.of("v1." + route.path)
		s.mux.HandleFunc(route.method+" /v1/"+route.path, s.handler(func(x *exchange) {
			x.figures, x.op = f, op
			(&v1{exchange: x, byKey: byKey}).operate(route)
		}))
		allowed := route.method
		if allowed == http.MethodGet {
			allowed = "GET, HEAD"
		}
		s.mux.HandleFunc("/v1/"+route.path, s.handler(func(x *exchange) {
			x.w.Header().Set("Allow", allowed)
			(&v1{exchange: x}).fail(wrongMethod)
		}))
	}
	s.mux.HandleFunc("/v1/", s.handler(func(x *exchange) { (&v1{exchange: x}).fail(v1NotFound) }))
}

// operate serves a route.
func (v *v1) operate(route v1Route) {
	v.authenticate()
	answer, err := v.answer(route)
	v.showQuota(v.trace.Quota)
	if err != nil {
		v.fail(err)
		return
	}
	status := http.StatusOK
	if _, accepted := answer.(v1Accepted); accepted {
		status = http.StatusAccepted
	}
	v.reply(status, answer)
}

// v1Accepted is the response of a route whose status is 202.
type v1Accepted struct{}

// authenticate finds the root key of the request. The client unkey.py 0.7 changes its root
// key with a header of its own, and leaves Authorization as it was. The method set_key of the
// crate unkey sends the root key without the word Bearer.
func (v *v1) authenticate() {
	h := v.r.Header
	key, sent := v.single("X-Api-Key"), v.single("Authorization")
	switch {
	case key != "" && (h["Authorization"] == nil || v.ofUnkeyPy07()):
		sent = key
	case sent == "" || strings.Contains(sent, " "):
		sent = ""
	}
	if sent != "" {
		h["Authorization"] = []string{"Bearer " + sent} // also for a long body
	}
	v.token = bearer(v.single("Authorization"))
}

// answer reads the request and serves it.
func (v *v1) answer(route v1Route) (any, error) {
	if route.method == http.MethodPost {
		if err := v.readJSON(); err != nil {
			return nil, err
		}
	}
	if v.ambiguous != "" {
		return nil, badV1("the request has several " + v.ambiguous + " headers that differ")
	}
	return route.serve(v)
}

// readJSON reads the body of a request.
func (v *v1) readJSON() error {
	call := engine.Call{Caller: engine.Caller{Request: v.request()}, Token: v.token}
	if err := v.readBody(&call); err != nil {
		return err
	}
	switch {
	case !isJSON(v.single("Content-Type")):
		return badV1("the Content-Type is not application/json")
	case !utf8.Valid(v.exchange.body.Bytes()):
		return badV1("the request body is not UTF-8 text")
	}
	return nil
}

// body returns a handler that reads its request from JSON. As in version 1, names that the
// request doesn't have are ignored.
func body[Req any](serve func(*v1, *Req) (any, error)) func(*v1) (any, error) {
	return func(v *v1) (any, error) {
		r := new(Req)
		if err := json.Unmarshal(v.exchange.body.Bytes(), r); err != nil {
			var wrong *json.UnmarshalTypeError
			if errors.As(err, &wrong) && wrong.Field != "" {
				return nil, badV1(wrong.Field + " has a value of a wrong type")
			}
			if json.Valid(v.exchange.body.Bytes()) {
				return nil, badV1("a value of the request body has a wrong type: " + err.Error())
			}
			return nil, badV1("the request body is not one JSON value")
		}
		return serve(v, r)
	}
}

// badV1 is the error of a request that can't be translated.
func badV1(message string) *latchkey.Error {
	return engine.Invalid(latchkey.Fault{Location: "body", Message: message})
}

// ask runs an operation with the root key of the request, and returns its data.
func ask[Res any](v *v1, operation string, request any) (Res, error) {
	response, err := v.askPage(operation, request)
	data, _ := response.Data.(Res)
	return data, err
}

// do is ask for an operation without data.
func (v *v1) do(operation string, request any) (any, error) {
	_, err := v.askPage(operation, request)
	return latchkey.Empty{}, err
}

// askPage is ask for an operation with pages.
func (v *v1) askPage(operation string, request any) (engine.Response, error) {
	op, _ := engine.Lookup(operation)
	call := v.call(request)
	response, err := v.Engine.Serve(v.r.Context(), op, call)
	if err == nil {
		v.workspace = call.WorkspaceID()
	}
	return response, err
}

// call is a call of an operation. Version 1 has no Idempotency-Key.
func (v *v1) call(request any) *engine.Call {
	call := &engine.Call{
		Caller: engine.Caller{Request: v.request()}, Token: v.token, Value: request,
	}
	call.IdempotencyKey = ""
	return call
}

// reply sends a body as JSON, without an envelope.
func (v *v1) reply(status int, answer any) {
	v.w.Header()["Unkey-Request-Id"] = []string{v.id}
	v.out.Reset()
	if err := v.enc.Encode(answer); err != nil {
		v.cause = err
		v.fail(engine.Unexpected())
		return
	}
	v.send(status, plainJSON, v.out.Bytes())
}

// v1Error is the body of an error.
type v1Error struct {
	Error struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		Docs      string `json:"docs"`
		RequestID string `json:"requestId"`
	} `json:"error"`
}

// fail sends an error as version 1 does.
func (v *v1) fail(err error) {
	var e *latchkey.Error
	if !errors.As(err, &e) {
		v.cause = err
		e = engine.Unexpected()
	}
	if e.RetryAfter > 0 {
		v.w.Header().Set("Retry-After", seconds(e.RetryAfter))
	}
	var answer v1Error
	status, code := v1Code(e)
	if strings.HasPrefix(v.r.Header.Get("User-Agent"), "speakeasy-sdk/") {
		status, code = v1Typed(status, code)
	}
	answer.Error.Code, answer.Error.Message = v.code(code), e.Detail
	answer.Error.Docs, answer.Error.RequestID = e.Type, v.id
	if len(e.Faults) > 0 {
		answer.Error.Message = e.Faults[0].Message
	}
	v.reply(status, answer)
}

// v1Code returns the status and the code of an error in version 1, in which a root key that
// doesn't exist has status 403.
func v1Code(e *latchkey.Error) (status int, code string) {
	kind := strings.TrimPrefix(e.Type, engine.ErrorDocs)
	switch {
	case strings.HasPrefix(kind, "unkey/authentication/"):
		return http.StatusForbidden, "UNAUTHORIZED"
	case kind == "unkey/authorization/insufficient_permissions":
		return http.StatusForbidden, "INSUFFICIENT_PERMISSIONS"
	case kind == "unkey/authorization/key_disabled":
		return http.StatusForbidden, "DISABLED"
	case kind == "unkey/application/protected_resource":
		return http.StatusPreconditionFailed, "DELETE_PROTECTED"
	}
	switch e.Status {
	case http.StatusForbidden:
		return e.Status, "FORBIDDEN"
	case http.StatusNotFound, http.StatusGone:
		return http.StatusNotFound, "NOT_FOUND"
	case http.StatusMethodNotAllowed:
		return e.Status, "METHOD_NOT_ALLOWED"
	case http.StatusConflict:
		return e.Status, "CONFLICT"
	case http.StatusPreconditionFailed:
		return e.Status, "PRECONDITION_FAILED"
	case http.StatusTooManyRequests:
		return e.Status, "RATE_LIMITED"
	}
	if e.Status >= http.StatusInternalServerError {
		return http.StatusInternalServerError, "INTERNAL_SERVER_ERROR"
	}
	return http.StatusBadRequest, "BAD_REQUEST"
}

// v1Typed returns status and code as the generated clients know them, which for each status
// accept one code only: that of Unkey's description, and not that of its server.
func v1Typed(status int, code string) (int, string) {
	switch {
	case code == "UNAUTHORIZED":
		return http.StatusUnauthorized, code
	case status == http.StatusForbidden:
		return status, "FORBIDDEN"
	case status == http.StatusTooManyRequests:
		return status, "TOO_MANY_REQUESTS"
	}
	return status, code
}

// query reads the query parameters of a request.
type query struct {
	v    *v1
	fail error // the first parameter that can't be read
}

func (v *v1) query() *query { return &query{v: v} }

func (q *query) text(name string) string { return q.v.r.URL.Query().Get(name) }

func (q *query) number(name string) int {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil && q.fail == nil {
		q.fail = badV1(name + " must be a whole number")
	}
	return n
}

func (q *query) flag(name string) bool { return q.text(name) == "true" }

// liveness says that the service is up.
func (v *v1) liveness() (any, error) {
	type services struct {
		Metrics    string `json:"metrics"`
		Logger     string `json:"logger"`
		Ratelimit  string `json:"ratelimit"`
		Usagelimit string `json:"usagelimit"`
	}
	return struct {
		Status   string   `json:"status"`
		Services services `json:"services"`
	}{"we're cooking", services{"latchkey", "latchkey", "latchkey", "latchkey"}}, nil
}

// analytics has no translation: version 1 names counts that no operation returns.
func (v *v1) analytics() (any, error) {
	// It asks for nothing, so that a root key without permission is refused as such.
	if _, err := v.do("analytics.getVerifications", &latchkey.AnalyticsRequest{
		Query: "SELECT 1 FROM key_verifications_v1 LIMIT 0",
	}); err != nil {
		return nil, err
	}
	return nil, engine.NewError(http.StatusPreconditionFailed, "Precondition Failed",
		"unkey/data/analytics_not_configured",
		"Version 1 has no analytics here. Use analytics.getVerifications of version 2.")
}
