package spec

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// errorDoc describes a kind of error, with an example.
type errorDoc struct {
	status int
	name   string // of its component
	text   string // its description
	kind   string // the end of the example's type
	title  string
	detail string
}

// errorDocs are the errors of all operations. The first one that applies to an
// operation describes a status: Conflict applies only to operations that list 409, and
// Unauthorized to those that take a root key.
var errorDocs = []errorDoc{
	{400, "BadRequest", "A field is invalid, or the Authorization header has no root key. " +
		"`errors` lists each problem.",
		"unkey/application/invalid_input", "Bad Request", "The request has 1 invalid or missing " +
			"value(s), beginning with: name must have at least 3 characters"},
	{401, "Unauthorized", "The root key does not exist.",
		"unkey/authentication/key_not_found", "Unauthorized", "This root key does not exist."},
	{401, "HolderNotFound", "The key does not exist, or its API offers nothing to the holders of " +
		"its keys.",
		"unkey/authentication/key_not_found", "Unauthorized",
		"This key does not exist, or its API offers nothing to the holders of its keys."},
	{401, "SessionNotFound", "The portal session or its code does not exist, or it has ended.",
		"unkey/authentication/portal_session_not_found", "Unauthorized",
		"This portal session does not exist, or it has ended. Open the portal again."},
	{403, "Forbidden", "The root key lacks a permission, has expired or is disabled, " +
		"or its workspace is disabled.",
		"unkey/authorization/insufficient_permissions", "Insufficient Permissions",
		"Missing permission: 'api.*.create_api'"},
	{404, "NotFound", "The resource does not exist, or the root key is not allowed to know " +
		"that it " +
		"does.",
		"unkey/data/key_not_found", "Not Found", "There is no key with this id."},
	{409, "Conflict", "The name is taken, the reservation has ended with another amount, or the " +
		"`Idempotency-Key` was used for another request.",
		"unkey/data/identity_already_exists", "Conflicting Resource",
		"An identity with this external id exists already in this workspace."},
	{409, "KeyReused", "The `Idempotency-Key` was used for another request.",
		"user/conflict/idempotency_key_reused", "Conflicting Resource",
		"This Idempotency-Key was used for another request. Use a new key for a new request."},
	{410, "Gone", "The namespace was deleted.",
		"unkey/data/ratelimit_namespace_gone", "Resource Gone",
		"This namespace has been deleted. Its name can't be used again."},
	{412, "PreconditionFailed", "The service or the resource is not configured for this request, " +
		"for example because the resource is protected from deletion.",
		"unkey/application/protected_resource", "Resource is protected",
		"This API is protected from deletion. Switch its delete protection off first."},
	{413, "ContentTooLarge", "The request body is longer than the operation's limit.",
		"user/bad_request/request_body_too_large", "Request Entity Too Large",
		"The request body is longer than 65536 bytes."},
	{422, "UnprocessableContent", "The query needs too much time, too much memory or too many " +
		"rows.",
		"user/unprocessable_entity/query_execution_timeout", "Unprocessable Entity",
		"The query ran into its timeout. Query a shorter time range."},
	{429, "TooManyRequests", "The workspace has used up its requests for this minute. " +
		"`Retry-After` is the time to wait.",
		"user/too_many_requests/workspace_rate_limited", "Too Many Requests",
		"The workspace has used up its requests for this minute."},
	{500, "InternalServerError", "An internal error. The service's log has its cause under the " +
		"request id.",
		"unkey/application/unexpected_error", "Internal Server Error",
		"Something went wrong on our side. The log has the reason under this request id."},
	{503, "ServiceUnavailable", "The service can't reach its database at the moment. " +
		"`Retry-After` is the time to wait; with an `Idempotency-Key` the retry is safe.",
		"unkey/application/service_unavailable", "Service Unavailable",
		"The service can't reach its database at the moment. Send the request again in a moment; " +
			"with an Idempotency-Key nothing is done twice."},
}

// problem is the error in the envelope of a response.
type problem struct {
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Status int              `json:"status"`
	Type   string           `json:"type"`
	Errors []latchkey.Fault `json:"errors,omitzero"`
}

// envelopes adds the components around data and errors, which have no Go type in
// the root package.
func (w *writer) envelopes() {
	w.own("ResponseMeta", fixed("Information on the request.",
		member{"requestId", stringOf("The id of the request in the service's log, " +
			"for example `req_6hT2xKp0a`.")}))
	parts := []member{
		{"title", stringOf("The kind of error in a few words.")},
		{"detail", stringOf("What happened, for people.")},
		{"status", integerOf("The HTTP status.")},
		{"type", stringOf("A stable URL that names the kind of error.")},
	}
	w.own("Problem", fixed("An error.", parts...))
	faults := &schema{Type: "array", Items: w.faults(),
		Description: "The problems of the request. It can be incomplete or empty."}
	w.own("BadRequestProblem", fixed("An error in the request.",
		append(parts, member{"errors", faults})...))
	w.own("ErrorResponse", errorEnvelope("Problem"))
	w.own("BadRequestResponse", errorEnvelope("BadRequestProblem"))
}

// own adds a component that has no Go type, so its name must not be that of one.
func (w *writer) own(name string, s *schema) {
	if _, taken := w.words.types[name]; taken {
		w.fail("the component %s and a type of the root package have one name", name)
	}
	w.schemas[name] = s
}

// faults describes latchkey.Fault, which is written by hand and so has no check tags.
func (w *writer) faults() *schema {
	ref := w.component(reflect.TypeFor[latchkey.Fault]())
	w.schemas["Fault"].Required = []string{"location", "message"}
	return ref
}

func errorEnvelope(problem string) *schema {
	return fixed("The response to a request that failed.",
		member{"meta", refTo("ResponseMeta")}, member{"error", refTo(problem)})
}

// errorResponses describes each kind of error once, in the media type that most
// operations send it in.
func (w *writer) errorResponses() map[string]*response {
	all := map[string]*response{}
	for _, e := range errorDocs {
		all[e.name] = e.response("application/json")
	}
	all["TooManyRequests"].Content[0].name = problemJSON
	return all
}

const problemJSON = "application/problem+json"

// errorResponse describes the error of an operation with a status. The official
// clients type an error only in the media type that their document names:
// problem+json for the 429 of most operations and for all errors of some, json for all others.
func (w *writer) errorResponse(op *engine.Op, status int) any {
	for _, e := range errorDocs {
		if e.status != status || e.name == "Conflict" && !slices.Contains(op.Refusals, status) ||
			e.name == "Unauthorized" && (op.Public || op.Scope != "" || op.Holder) ||
			e.name == "HolderNotFound" && !op.Holder {
			continue
		}
		if op.Problems {
			return e.response(problemJSON)
		}
		if op.Plain429 && status == http.StatusTooManyRequests {
			return e.response("application/json")
		}
		return reference{"#/components/responses/" + e.name}
	}
	w.fail("%s: status %d has no description", op.Name, status)
	return reference{}
}

func (e errorDoc) response(media string) *response {
	body := mediaType{Schema: refTo("ErrorResponse"), Example: e.example()}
	if e.hasFaults() {
		body.Schema = refTo("BadRequestResponse")
	}
	return &response{
		Description: e.text, Headers: headersOf(e.status), Content: object{{media, body}},
	}
}

// hasFaults reports whether the error has a list of faults, which can be empty.
func (e errorDoc) hasFaults() bool {
	return e.status == http.StatusBadRequest || e.status == http.StatusRequestEntityTooLarge
}

func (e errorDoc) example() json.RawMessage {
	p := problem{
		Title: e.title, Detail: e.detail, Status: e.status, Type: engine.ErrorDocs + e.kind,
	}
	if e.hasFaults() {
		p.Errors = []latchkey.Fault{}
	}
	if e.status == http.StatusBadRequest {
		_, message, _ := strings.Cut(e.detail, ": ")
		p.Errors = append(p.Errors,
			latchkey.Fault{Location: "/properties/name/minLength", Message: message})
	}
	text, err := encode(object{{"meta", exampleMeta}, {"error", p}}, "")
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return text
}
