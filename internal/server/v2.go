package server

import (
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// operate serves an operation.
func (x *exchange) operate(op *engine.Op) {
	x.op = op
	answer, err := x.serve()
	x.showQuota(x.trace.Quota)
	if err != nil {
		x.fail(err)
		return
	}
	x.succeed(answer)
}

// serve reads the body and the headers, and hands the operation to the engine.
func (x *exchange) serve() (engine.Response, error) {
	call := engine.Call{
		Caller: engine.Caller{Request: x.request()}, Token: bearer(x.single("Authorization")),
	}
	if !x.op.GET {
		if err := x.readBody(&call); err != nil {
			return engine.Response{}, err
		}
	}
	if err := x.checkHeaders(); err != nil {
		return engine.Response{}, err
	}
	call.Body = x.body.Bytes()
	return x.Engine.Serve(x.r.Context(), x.op, &call)
}

// checkHeaders refuses a request whose headers can't be those of the operation, or have
// several meanings.
// Clients rely on the order: a missing root key comes before the content type,
// and both come before what is wrong with the body.
func (x *exchange) checkHeaders() error {
	if !x.op.Public && strings.TrimSpace(x.header("Authorization")) == "" {
		return engine.Invalid(latchkey.Fault{
			Location: "security", Message: "the Authorization header is missing",
			Fix: "send the header Authorization: Bearer <root key>",
		})
	}
	if !x.op.GET && !x.needsNoBody() && !isJSON(x.single("Content-Type")) {
		return engine.Invalid(latchkey.Fault{
			Location: "requestBody", Message: "the Content-Type is not application/json",
			Fix: "send the header Content-Type: application/json",
		})
	}
	if x.ambiguous != "" && !x.op.Public {
		return engine.Invalid(latchkey.Fault{
			Location: x.ambiguous, Fix: "send the header once",
			Message: "the request has several " + x.ambiguous + " headers that differ",
		})
	}
	return nil
}

// needsNoBody reports whether the request has no body, and is right without one.
func (x *exchange) needsNoBody() bool { return x.op.BodyOptional && x.body.Len() == 0 }

// isJSON reports whether a Content-Type names JSON, with whatever parameters.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/json")
}
