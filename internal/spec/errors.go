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

// refusal is what an answer with a status other than 200 means, with an example.
type refusal struct {
	status int
	name   string // of its component
	means  string
	kind   string // the end of the example's type
	title  string
	detail string
}

// refusals are all that an operation can be refused with. The first one that fits
// an operation describes a status: a conflict of names only fits operations that
// make something with a name.
var refusals = []refusal{
	{400, "BadRequest", "The request breaks a rule of its fields, or the Authorization header has no root key in it. `errors` has each fault.",
		"unkey/application/invalid_input", "Bad Request", "The request has 1 invalid or missing value(s), beginning with: name must have at least 3 characters"},
	{401, "Unauthorized", "The root key does not exist.",
		"unkey/authentication/key_not_found", "Unauthorized", "This root key does not exist."},
	{403, "Forbidden", "The root key lacks a permission, has expired or is disabled, or its workspace is.",
		"unkey/authorization/insufficient_permissions", "Insufficient Permissions", "Missing permission: 'api.*.create_api'"},
	{404, "NotFound", "What the request names does not exist, or the root key may not know that it does.",
		"unkey/data/key_not_found", "Not Found", "There is no key with this id."},
	{409, "Conflict", "The name is taken, or the `Idempotency-Key` was used for another request.",
		"unkey/data/identity_already_exists", "Conflicting Resource", "An identity with this external id exists already in this workspace."},
	{409, "KeyReused", "The `Idempotency-Key` was used for another request.",
		"user/conflict/idempotency_key_reused", "Conflicting Resource", "This Idempotency-Key was used for another request. Use a new key for a new request."},
	{410, "Gone", "The namespace was deleted.",
		"unkey/data/ratelimit_namespace_gone", "Resource Gone", "This namespace has been deleted. Its name can't be used again."},
	{412, "PreconditionFailed", "The service or the resource is not set up for this request, for example because it is protected from deletion.",
		"unkey/application/protected_resource", "Resource is protected", "This API is protected from deletion. Switch its delete protection off first."},
	{413, "ContentTooLarge", "The request body is longer than the service reads.",
		"user/bad_request/request_body_too_large", "Request Entity Too Large", "The request body is longer than 10485760 bytes."},
	{422, "UnprocessableContent", "The query took too much time, memory or rows.",
		"user/unprocessable_entity/query_execution_timeout", "Unprocessable Entity", "The query took longer than it may. Ask for a shorter time range."},
	{429, "TooManyRequests", "The workspace has used up its requests for this minute. `Retry-After` says when to go on.",
		"user/too_many_requests/workspace_rate_limited", "Too Many Requests", "The workspace has used up its requests for this minute."},
	{500, "InternalServerError", "Something went wrong on the side of the service. Its log has the reason under the request id.",
		"unkey/application/unexpected_error", "Internal Server Error", "Something went wrong on our side. The log has the reason under this request id."},
	{503, "ServiceUnavailable", "The service can't reach its database at the moment. `Retry-After` says when to ask again; with an `Idempotency-Key` nothing is done twice.",
		"unkey/application/service_unavailable", "Service Unavailable", "The service can't reach its database at the moment. Send the request again in a moment; with an Idempotency-Key nothing is done twice."},
}

// problem is the error part of an answer's envelope.
type problem struct {
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Status int              `json:"status"`
	Type   string           `json:"type"`
	Errors []latchkey.Fault `json:"errors,omitzero"`
}

// envelopes makes the components around data and errors, which have no Go type
// of their own in the root package.
func (w *writer) envelopes() {
	w.own("ResponseMeta", fixed("What is known about the request itself.",
		member{"requestId", stringOf("Names the request in the log of the service, for example `req_6hT2xKp0a`.")}))
	parts := []member{
		{"title", stringOf("The kind of error in a few words.")},
		{"detail", stringOf("What happened this time, for a person.")},
		{"status", integerOf("The HTTP status.")},
		{"type", stringOf("A stable URL that names the kind of error.")},
	}
	w.own("Problem", fixed("What was refused, and why.", parts...))
	faults := &schema{Type: "array", Description: "Each thing that is wrong with the request, as far as known.", Items: w.faults()}
	w.own("BadRequestProblem", fixed("What is wrong with the request.", append(parts, member{"errors", faults})...))
	w.own("ErrorResponse", errorResponse("Problem"))
	w.own("BadRequestResponse", errorResponse("BadRequestProblem"))
}

// own adds a component that is not made from a Go type, and so must not have the
// name of one.
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

func errorResponse(problem string) *schema {
	return fixed("The answer to a request that was refused.", member{"meta", refTo("ResponseMeta")}, member{"error", refTo(problem)})
}

// refusals describes each refusal once, in the media type that most operations
// send it in.
func (w *writer) refusals() map[string]*response {
	all := map[string]*response{}
	for _, r := range refusals {
		all[r.name] = w.refusal(r, "application/json")
	}
	all["TooManyRequests"].Content[0].name = problemJSON
	return all
}

const problemJSON = "application/problem+json"

// refused is how an operation is refused with a status. Clients know each error
// by its media type: 429 and all errors of some operations are typed
// only as problem+json, all others only as json.
func (w *writer) refused(op *engine.Op, status int) any {
	for _, r := range refusals {
		if r.status != status || r.name == "Conflict" && !slices.Contains(op.Refusals, status) {
			continue
		}
		if op.Problems {
			return w.refusal(r, problemJSON)
		}
		return reference{"#/components/responses/" + r.name}
	}
	w.fail("%s: status %d has no description", op.Name, status)
	return reference{}
}

func (w *writer) refusal(r refusal, media string) *response {
	body := mediaType{Schema: refTo("ErrorResponse"), Example: r.example()}
	if r.hasFaults() {
		body.Schema = refTo("BadRequestResponse")
	}
	return &response{Description: r.means, Headers: headersOf(r.status), Content: object{{media, body}}}
}

// hasFaults reports whether the error has a list of faults, empty or not.
func (r refusal) hasFaults() bool {
	return r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge
}

func (r refusal) example() json.RawMessage {
	p := problem{Title: r.title, Detail: r.detail, Status: r.status, Type: engine.ErrorDocs + r.kind}
	if r.hasFaults() {
		p.Errors = []latchkey.Fault{}
	}
	if r.status == http.StatusBadRequest {
		_, message, _ := strings.Cut(r.detail, ": ")
		p.Errors = append(p.Errors, latchkey.Fault{Location: "/properties/name/minLength", Message: message})
	}
	text, err := encode(object{{"meta", exampleMeta}, {"error", p}}, "")
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return text
}
