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
	o.Summary, o.Description = w.describe(op)
	if op.Public {
		o.Security = &[]security{}
	}
	if op.GET {
		return o
	}
	o.RequestBody = &requestBody{Required: true, Content: w.content(op, "request", w.value(op.Request, check.Rules{}), examples[op.Name].request)}
	if op.SavesResponse() {
		o.Parameters = []reference{{"#/components/parameters/IdempotencyKey"}}
	}
	return o
}

// describe words an operation with the comment of the engine's method.
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
	if !op.SavesResponse() {
		return "**Repeating**: Safe. It changes nothing."
	}
	return "**Repeating**: Safe with an `Idempotency-Key`, which gets a repeated request the first answer again."
}

// responses are the answers of an operation by status, success first.
func (w *writer) responses(op *engine.Op) object {
	all := object{{"200", w.success(op)}}
	for _, status := range statuses(op) {
		all = append(all, member{strconv.Itoa(status), w.refused(op, status)})
	}
	return all
}

// statuses are those an operation can be refused with, ascending.
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

// success is the answer of an operation that did what it was asked for: its
// envelope written out, so that a generated client has one type an operation.
func (w *writer) success(op *engine.Op) *response {
	envelope := fixed("", member{"meta", refTo("ResponseMeta")})
	add := func(name string, s *schema) {
		envelope.Properties = append(envelope.Properties, member{name, s})
		envelope.Required = append(envelope.Required, name)
	}
	if op.Response != nil {
		add("data", w.value(op.Response, check.Rules{}))
	}
	if op.Paged {
		add("pagination", w.value(reflect.TypeFor[latchkey.Pagination](), check.Rules{}))
	}
	done := &response{Description: "Done.", Headers: headersOf(http.StatusOK)}
	if op.Public {
		done.Headers = done.Headers[:1] // nobody's request, so no workspace's limit
	}
	done.Content = w.content(op, "answer", envelope, examples[op.Name].envelope(op))
	return done
}

// content is a body in JSON with its example.
func (w *writer) content(op *engine.Op, what string, s *schema, shown any) object {
	text, err := encode(shown, "")
	if err != nil || shown == nil {
		w.fail("%s has no example of its %s that can be encoded: %v", op.Name, what, err)
	}
	return object{{"application/json", mediaType{Schema: s, Example: text}}}
}
