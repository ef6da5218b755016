package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// Op is one operation of the API: what the table declares of it, and the method
// and the types that it is bound to.
type Op struct {
	latchkey.Operation
	Method   string       // the name of the engine's method
	Request  reflect.Type // a struct of package latchkey, or a slice of them
	Response reflect.Type // the data of its answer, of a page its list; nil if that has none

	pointer        reflect.Type // to Request
	run            func(ctx context.Context, e *Engine, who Caller, request any) (Response, error)
	paged          bool                   // run answers with a page
	notFound       func() *latchkey.Error // what masked rules answer
	revokes        func(request any) bool // whether a request takes access away; nil: none does
	rules          []rule
	authorizeFirst bool // the rules that always apply name no id, so they are asked first of all
}

// Answer is what an operation returns.
type Response struct {
	Data       any                  // nil where the operation has nothing to report
	Pagination *latchkey.Pagination // only of a list
}

// Decode reads a request from JSON. It returns a pointer to the operation's
// request type, or what is wrong with the text.
func (op *Op) Decode(body []byte) (any, []latchkey.Fault) {
	request := reflect.New(op.Request).Interface()
	return request, wire.Decode(body, request)
}

// Keeps reports whether the operation keeps its answer for an Idempotency-Key: it
// changes something, and there is a root key to keep the answer for.
func (op *Op) SavesResponse() bool { return op.Effect != latchkey.EffectReads && !op.Public }

// run runs an operation for a caller. The request is a pointer to the operation's
// request type that has passed Decode or Check. Every error is a *latchkey.Error.
func (e *Engine) run(ctx context.Context, op *Op, who *Caller, request any) (Response, error) {
	who.op = op
	if op.revokes != nil && op.revokes(request) {
		who.lane = store.Urgent
	}
	if op.authorizeFirst {
		if err := who.require(everything); err != nil {
			return Response{}, e.public(ctx, *who, op.Name, err)
		}
	}
	if who.IdempotencyKey != "" && op.SavesResponse() {
		var err error
		if who.requestHash, err = hashRequest(op, who.IdempotencyKey, request); err != nil {
			return Response{}, e.public(ctx, *who, op.Name, err)
		}
	}
	answer, err := op.run(ctx, e, *who, request)
	if err != nil {
		err = e.public(ctx, *who, op.Name, err)
	}
	return answer, err
}

// hashRequest names what a request asks for. It is the form in which the
// request is remembered, so it must not show the secrets in it.
func hashRequest(op *Op, idempotencyKey string, request any) (string, error) {
	const longest = 255
	if len(idempotencyKey) > longest {
		return "", invalid(latchkey.Fault{Location: "Idempotency-Key", Message: "the header Idempotency-Key is longer than 255 bytes"})
	}
	if !utf8.ValidString(idempotencyKey) || strings.Contains(idempotencyKey, "\x00") {
		return "", invalid(latchkey.Fault{Location: "Idempotency-Key", Message: "the header Idempotency-Key is not UTF-8 text"})
	}
	text, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(op.Name+"\n"), text...))
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Check finds what is wrong with a request that was not read from JSON.
func (op *Op) Check(request any) []latchkey.Fault { return wire.Check(request) }

// Takes reports whether request is a pointer to the operation's request type.
func (op *Op) Accepts(request any) bool { return reflect.TypeOf(request) == op.pointer }

// Lookup returns the operation of that name.
func Lookup(name string) (*Op, bool) {
	op, ok := byName[name]
	return op, ok
}

var byName = func() map[string]*Op {
	m := make(map[string]*Op, len(Ops))
	for _, op := range Ops {
		m[op.Name] = op
	}
	return m
}()
