package spec

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// operation describes one operation.
func (w *writer) operation(op *engine.Op) *operation {
	o := &operation{Tags: []string{group(op)}, OperationID: op.Name, Responses: w.responses(op)}
	o.Official = strings.Contains(contractFacts, "\n"+op.Name+" method")
	o.Summary, o.Description = w.describe(op)
	switch {
	case op.Public:
		o.Security = &[]security{}
	case op.Scope != "":
		o.Security = &[]security{{"portalSession": {}}}
	case op.Holder:
		o.Security = &[]security{{"key": {}}}
	}
	if op.GET {
		return o
	}
	o.RequestBody = &requestBody{
		Required: !op.BodyOptional,
		Content: w.content(op, "request", w.value(op.Request, check.Rules{}),
			examples[op.Name].request),
	}
	if op.SavesResponse() {
		o.Parameters = []reference{{"#/components/parameters/IdempotencyKey"}}
	}
	return o
}

// describe returns the texts of an operation, from the comment of the engine's method.
func (w *writer) describe(op *engine.Op) (summary, description string) {
	summary, rest := sentence(w.words.operations[op.Method])
	if summary == "" {
		w.fail("the engine's method for %s has no comment", op.Name)
	}
	var parts []string
	for _, part := range []string{rest, permission(op), repeating(op)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return summary, strings.Join(parts, "\n\n")
}

func repeating(op *engine.Op) string {
	switch {
	case op.Effect == latchkey.EffectReads:
		return "**Retrying**: Safe. The operation changes nothing."
	case op.Effect == latchkey.EffectRepeats:
		return "**Retrying**: Safe. The same call once more changes nothing."
	case op.Public:
		return "**Retrying**: Not possible after a success, because the response is not saved."
	}
	return "**Retrying**: Safe with an `Idempotency-Key`. " +
		"A retry with the same key gets the first response again."
}

// responses are the responses of an operation by status, success first.
func (w *writer) responses(op *engine.Op) object {
	all := object{{"200", w.success(op)}}
	for _, status := range statuses(op) {
		all = append(all, member{strconv.Itoa(status), w.errorResponse(op, status)})
	}
	return all
}

// statuses are the error statuses of an operation, ascending.
func statuses(op *engine.Op) []int {
	all := append([]int{500}, op.Refusals...)
	if !op.GET {
		all = append(all, 400, 413)
	}
	if !op.Public {
		all = append(all, 400, 401, 403, 429, 503)
	}
	if op.SavesResponse() {
		all = append(all, 409) // an Idempotency-Key that was used for another request
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// success is the response with status 200. Its envelope is written out, so that
// generated clients have one type for each operation.
func (w *writer) success(op *engine.Op) *response {
	envelope := fixed("", member{"meta", refTo("ResponseMeta")})
	add := func(name string, s *schema) {
		envelope.Properties = append(envelope.Properties, member{name, s})
		envelope.Required = append(envelope.Required, name)
	}
	switch {
	case op.Bare:
		members := w.fields(op.Response)
		envelope.Properties = append(envelope.Properties, members.Properties...)
		envelope.Required = append(envelope.Required, members.Required...)
	case op.Response != nil:
		add("data", w.value(op.Response, check.Rules{}))
	}
	if op.Paged {
		add("pagination", w.value(reflect.TypeFor[latchkey.Pagination](), check.Rules{}))
	}
	done := &response{Description: "Done.", Headers: headersOf(http.StatusOK)}
	if op.Public {
		done.Headers = done.Headers[:1] // without a root key there is no workspace's limit
	}
	done.Content = w.content(op, "response", envelope, examples[op.Name].envelope(op))
	return done
}

// content is a JSON body with its example.
func (w *writer) content(op *engine.Op, body string, s *schema, example any) object {
	text, err := encode(example, "")
	if err != nil || example == nil {
		w.fail("%s has no example of its %s that can be encoded: %v", op.Name, body, err)
	}
	return object{{"application/json", mediaType{Schema: s, Example: text}}}
}
