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

// Op is an operation of the API: its declaration, and the method and the types
// that it is bound to.
type Op struct {
	latchkey.Operation
	Method   string       // the name of the engine's method
	Request  reflect.Type // a struct of package latchkey, or a slice of them
	Response reflect.Type // the type of the data, of a page its list; nil without data

	pointer  reflect.Type // to Request
	run      func(ctx context.Context, e *Engine, who Caller, request any) (Response, error)
	paged    bool                   // run returns a page
	notFound func() *latchkey.Error // the error of masked rules
	// reports whether a request takes access away; nil for none
	revokes        func(request any) bool
	rules          []rule
	authorizeFirst bool // no unconditional rule has an id, so they are checked first
}

// Response is the result of an operation.
type Response struct {
	Data       any                  // nil for operations without data
	Pagination *latchkey.Pagination // nil except for lists
}

// Decode decodes a request from JSON into a pointer to the operation's request
// type, and returns its faults.
func (op *Op) Decode(body []byte) (any, []latchkey.Fault) {
	request := reflect.New(op.Request).Interface()
	return request, wire.Decode(body, request)
}

// SavesResponse reports whether the operation saves its response for an
// Idempotency-Key: it changes something, and there is a root key to save it
// for.
func (op *Op) SavesResponse() bool { return op.Effect != latchkey.EffectReads && !op.Public }

// run runs an operation for a caller. The request is a pointer to the
// operation's request type, without faults. Every error is a *latchkey.Error.
func (e *Engine) run(ctx context.Context, op *Op, who *Caller, request any) (Response, error) {
	who.op = op
	if op.revokes != nil && op.revokes(request) {
		who.lane = store.Urgent
	}
	if op.Holder && who.root.holder == nil {
		return Response{}, unknownHolder()
	}
	if op.authorizeFirst {
		if err := who.require(everything); err != nil {
			e.refuseOperation(ctx, who, err)
			return Response{}, e.public(ctx, *who, op.Name, err)
		}
	}
	if who.IdempotencyKey != "" && op.SavesResponse() {
		var err error
		if who.requestHash, err = hashRequest(op, who.IdempotencyKey, request); err != nil {
			return Response{}, e.public(ctx, *who, op.Name, err)
		}
	}
	response, err := op.run(ctx, e, *who, request)
	if err != nil {
		e.refuseOperation(ctx, who, err)
		err = e.public(ctx, *who, op.Name, err)
	}
	return response, err
}

// hashRequest returns the hash of the operation and its request. The hash is
// stored, so it must not reveal secrets of the request.
func hashRequest(op *Op, idempotencyKey string, request any) (string, error) {
	const longest = 255
	if len(idempotencyKey) > longest {
		return "", invalid(latchkey.Fault{
			Location: "Idempotency-Key",
			Message:  "the header Idempotency-Key is longer than 255 bytes",
		})
	}
	if !utf8.ValidString(idempotencyKey) || strings.Contains(idempotencyKey, "\x00") {
		return "", invalid(latchkey.Fault{
			Location: "Idempotency-Key", Message: "the header Idempotency-Key is not UTF-8 text",
		})
	}
	text, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(op.Name+"\n"), text...))
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Check returns the faults of a request that was not decoded from JSON.
func (op *Op) Check(request any) []latchkey.Fault { return wire.Check(request) }

// Accepts reports whether request is a pointer to the operation's request type.
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
