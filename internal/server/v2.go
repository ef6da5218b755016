package server

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// operate answers an operation.
func (x *exchange) operate(op *engine.Op) {
	x.op = op
	answer, err := x.do()
	if err != nil {
		x.fail(err)
		return
	}
	x.succeed(answer)
}

// do runs the operation. Clients rely on the order of the questions: what is
// wrong with the request comes before who sent it, and that before how many
// requests its workspace may send.
func (x *exchange) do() (engine.Answer, error) {
	ctx := x.r.Context()
	if x.op.Open {
		return x.Engine.Do(ctx, x.op, engine.Caller{Request: x.request()}, reflect.New(x.op.Request).Interface())
	}
	request, err := x.decode()
	if err != nil {
		return engine.Answer{}, err
	}
	who, err := x.authenticate(ctx)
	if err != nil {
		return engine.Answer{}, err
	}
	if err := x.admit(ctx, who); err != nil {
		return engine.Answer{}, err
	}
	return x.Engine.Do(ctx, x.op, who, request)
}

// decode reads the request. That it names a root key at all is part of its form.
func (x *exchange) decode() (any, error) {
	if err := x.read(); err != nil {
		return nil, err
	}
	if strings.TrimSpace(x.header("Authorization")) == "" {
		return nil, engine.Invalid(latchkey.Fault{
			Location: "security", Message: "the Authorization header is missing", Fix: "send the header Authorization: Bearer <root key>",
		})
	}
	if !isJSON(x.header("Content-Type")) {
		return nil, engine.Invalid(latchkey.Fault{
			Location: "requestBody", Message: "the Content-Type is not application/json", Fix: "send the header Content-Type: application/json",
		})
	}
	request, faults := x.op.Decode(x.body.Bytes())
	if len(faults) > 0 {
		return nil, engine.Invalid(faults...)
	}
	x.checked = true
	return request, nil
}

// isJSON reports whether a Content-Type names JSON, with whatever parameters.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/json")
}

// read reads the body up to the longest that is allowed, and a byte more to see
// that it goes on. It does what http.MaxBytesReader is for with a reader that
// the exchange has already: a connection whose request was not read to its end
// is closed after the answer.
func (x *exchange) read() error {
	x.limited = io.LimitedReader{R: x.r.Body, N: x.MaxBody + 1}
	_, err := x.body.ReadFrom(&x.limited)
	switch {
	case err == nil && x.limited.N > 0:
		return nil
	case err == nil:
		x.w.Header()["Connection"] = []string{"close"}
		return bodyTooLarge(x.MaxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bodyTimeout
	}
	return bodyUnreadable
}
