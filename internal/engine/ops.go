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
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// Op is one operation of the API, as every door needs it.
type Op struct {
	Name       string       // its path under /v2/, for example keys.createKey
	Permission string       // what a caller needs, for people
	Refusals   []int        // the statuses, besides 400, 401, 403, 429, 500 and 503, that it can be refused with
	Repeatable bool         // it changes nothing, so sending it twice does no harm
	Public     bool         // it needs no root key
	GET        bool         // it is a GET without a body; all others are POSTs
	Request    reflect.Type // a struct of package latchkey, or a slice of them
	Response   reflect.Type // the data of its answer; nil if that has none
	Paged      bool         // the answer is a page; Response is its list

	pointer reflect.Type // to Request
	run     func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error)
}

// Answer is what an operation returns.
type Answer struct {
	Data       any                  // nil where the operation has nothing to report
	Pagination *latchkey.Pagination // only of a list
}

// Decode reads a request from JSON. It returns a pointer to the operation's
// request type, or what is wrong with the text.
func (op *Op) Decode(body []byte) (any, []latchkey.Fault) {
	request := reflect.New(op.Request).Interface()
	return request, wire.Decode(body, request)
}

// run runs an operation for a caller. The request is a pointer to the operation's
// request type that has passed Decode or Check. Every error is a *latchkey.Error.
func (e *Engine) run(ctx context.Context, op *Op, who Caller, request any) (Answer, error) {
	if who.IdempotencyKey != "" && !op.Repeatable && !op.Public { // answers are kept for a root key
		var err error
		if who.requestHash, err = hashRequest(op, who, request); err != nil {
			return Answer{}, e.public(ctx, who, op.Name, err)
		}
	}
	answer, err := op.run(ctx, e, who, request)
	if err != nil {
		err = e.public(ctx, who, op.Name, err)
	}
	return answer, err
}

// hashRequest names what a request asks for. It is the form in which the
// request is remembered, so it must not show the secrets in it.
func hashRequest(op *Op, who Caller, request any) (string, error) {
	const longest = 255
	if len(who.IdempotencyKey) > longest {
		return "", invalid(latchkey.Fault{Location: "Idempotency-Key", Message: "the header Idempotency-Key is longer than 255 bytes"})
	}
	if !utf8.ValidString(who.IdempotencyKey) || strings.Contains(who.IdempotencyKey, "\x00") {
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
func (op *Op) Takes(request any) bool { return reflect.TypeOf(request) == op.pointer }

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

// option is a property that not every operation has.
type option func(*Op)

// reads marks an operation that changes nothing.
func reads(op *Op) { op.Repeatable = true }

// refuses lists the statuses an operation can be refused with, besides those of all.
func refuses(statuses ...int) option { return func(op *Op) { op.Refusals = statuses } }

// plain is an operation that answers with data.
func plain[Req, Res any](name, permission string, run func(*Engine, context.Context, Caller, *Req) (Res, error), options ...option) *Op {
	op := define[Req](name, permission, options)
	op.Response = reflect.TypeFor[Res]()
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		data, err := run(e, ctx, who, request.(*Req))
		if err != nil {
			return Answer{}, err
		}
		return Answer{Data: data}, nil
	}
	return op
}

// paged is an operation that answers with a page of a list.
func paged[Req, Item any](name, permission string, run func(*Engine, context.Context, Caller, *Req) (latchkey.Page[Item], error), options ...option) *Op {
	op := define[Req](name, permission, options)
	op.Response, op.Paged = reflect.TypeFor[[]Item](), true
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		page, err := run(e, ctx, who, request.(*Req))
		return Answer{Data: page.Data, Pagination: &page.Pagination}, err
	}
	return op
}

// silent is an operation whose answer has no data, not even an empty object.
func silent[Req any](name, permission string, run func(*Engine, context.Context, Caller, *Req) (latchkey.Empty, error), options ...option) *Op {
	op := define[Req](name, permission, options)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		_, err := run(e, ctx, who, request.(*Req))
		return Answer{}, err
	}
	return op
}

func define[Req any](name, permission string, options []option) *Op {
	op := &Op{Name: name, Permission: permission, Request: reflect.TypeFor[Req](), pointer: reflect.TypeFor[*Req]()}
	for _, set := range options {
		set(op)
	}
	return op
}
