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
	if access, ok := answer.Data.(latchkey.PortalAccess); ok {
		x.setSession(access)
	}
	x.succeed(answer)
}

// serve reads the body and the headers, and hands the operation to the engine.
func (x *exchange) serve() (engine.Response, error) {
	call := engine.Call{
		Caller: engine.Caller{Request: x.request()}, Token: bearer(x.single("Authorization")),
	}
	if x.op.Scope != "" {
		call.PortalSession = x.session()
	}
	if x.op.Effect == latchkey.EffectWrites {
		call.Origin = x.origin()
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
	if err := x.checkSecurity(); err != nil {
		return err
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

// checkSecurity refuses a request without what authenticates the callers of its operation.
func (x *exchange) checkSecurity() error {
	switch authorized := strings.TrimSpace(x.header("Authorization")) != ""; {
	case x.op.Public || x.op.Scope == "" && authorized:
		return nil
	case x.op.Scope == "":
		fix := "send the header Authorization: Bearer <root key>"
		if x.op.Holder {
			fix = "send the header Authorization: Bearer <the key>"
		}
		return engine.Invalid(latchkey.Fault{
			Location: "security", Message: "the Authorization header is missing", Fix: fix,
		})
	case authorized:
		return engine.Invalid(latchkey.Fault{
			Location: "security", Message: "the operation takes no Authorization header",
			Fix: "send only the cookie " + latchkey.PortalSessionCookie,
		})
	case x.session() == "":
		return engine.Invalid(latchkey.Fault{
			Location: "security", Fix: "send it with the access token of a portal session",
			Message: "the cookie " + latchkey.PortalSessionCookie + " is missing",
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
