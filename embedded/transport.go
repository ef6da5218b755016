package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"sync"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/server"
)

// gate lets calls in until it is closed, and then waits for those inside. It has
// many lanes, so that processors don't wait for each other at a single lock.
type gate struct {
	lanes  [32]lane
	closed bool // changed with all lanes locked, so one is enough to read it
}

// lane is open to a call that holds its lock for reading.
type lane struct {
	sync.RWMutex
	_ [40]byte // one cache line each
}

// enter returns the lane of that number, to be unlocked by RUnlock.
func (g *gate) enter(number uint32) *lane {
	l := &g.lanes[number%uint32(len(g.lanes))]
	l.RLock()
	return l
}

// close closes the gate and returns when nobody is inside.
func (g *gate) close() {
	for i := range g.lanes {
		g.lanes[i].Lock()
		defer g.lanes[i].Unlock()
	}
	g.closed = true
}

// Send carries a call to the engine without a socket or JSON. Checks and errors are
// those of HTTP. With it a Service is a [latchkey.Transport], so a client with
// another root key than that of the operator is
// latchkey.New(latchkey.Config{Transport: service, RootKey: …}).
//
// For APIs with an IP whitelist, the address of a call is the last one in the
// header X-Forwarded-For, which [latchkey.WithHeader] sets. Without the header
// there is no address, and a whitelist forbids the call.
func (s *Service) Send(ctx context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	return s.send(ctx, a, &s.callers)
}

// uncached carries calls as a Service does, and keeps none of their root keys.
type uncached struct{ service *Service }

// Send carries a call to the engine.
func (u uncached) Send(ctx context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	return u.service.send(ctx, a, nil)
}

func (s *Service) send(
	ctx context.Context, a *latchkey.Attempt, callers *engine.CallerCache,
) (latchkey.Answer, error) {
	lane := rand.Uint32()
	defer s.gate.enter(lane).RUnlock()
	id := engine.NewRequestID()
	answer, err := s.operate(ctx, a, id, lane, callers)
	if err != nil {
		return latchkey.Answer{}, named(ctx, a, err, id)
	}
	return latchkey.Answer{Data: answer.Data, Pagination: answer.Pagination, RequestID: id}, nil
}

func (s *Service) operate(
	ctx context.Context, a *latchkey.Attempt, id string, lane uint32,
	callers *engine.CallerCache,
) (engine.Response, error) {
	if err := ctx.Err(); err != nil {
		return engine.Response{}, fmt.Errorf("latchkey: %s: %w", a.Operation, err)
	}
	if s.gate.closed {
		return engine.Response{}, refusal(http.StatusServiceUnavailable,
			"unkey/application/service_unavailable", "The service has been closed.")
	}
	op, known := engine.Lookup(a.Operation)
	if !known {
		return engine.Response{}, refusal(http.StatusNotFound, "user/bad_request/route_not_found",
			"There is no operation of this name.")
	}
	call := engine.Call{Token: a.RootKey, PortalSession: a.PortalSession, Callers: callers}
	call.Request = origin(a, id)
	call.Lane = lane
	if err := setRequest(&call, op, a); err != nil {
		return engine.Response{}, err
	}
	return s.engine.Serve(ctx, op, &call)
}

// setRequest puts the request of an attempt into the call. One that is not of the
// operation's type goes through JSON, as it would over HTTP.
func setRequest(call *engine.Call, op *engine.Op, a *latchkey.Attempt) error {
	if a.RootKey == "" && !op.Public && op.Scope == "" {
		return engine.Invalid(latchkey.Fault{
			Location: "security", Message: "the call has no root key",
			Fix: "give the client one with SetRootKey or its configuration",
		})
	}
	switch {
	case op.Accepts(a.Request) && !reflect.ValueOf(a.Request).IsNil():
		call.Value = a.Request
	case reflect.TypeOf(a.Request) == op.Request:
		call.Value = pointerTo(a.Request)
	default:
		body, err := json.Marshal(a.Request)
		if err != nil {
			return fmt.Errorf("latchkey: %s: request: %w", a.Operation, err)
		}
		call.Body = body
	}
	return nil
}

func pointerTo(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

// origin is what the engine is told of a call besides its request.
func origin(a *latchkey.Attempt, id string) engine.Request {
	from := engine.Request{RequestID: id, UserAgent: "embedded", IdempotencyKey: a.IdempotencyKey}
	if a.Header == nil {
		return from
	}
	from.RemoteIP = server.ForwardedAddress(a.Header)
	if agent := a.Header.Get("User-Agent"); agent != "" {
		from.UserAgent = agent
	}
	return from
}

// named completes an error with the request's id. A caller that gave up finds
// its context's error in it, as it would over HTTP.
func named(ctx context.Context, a *latchkey.Attempt, err error, id string) error {
	var refused *latchkey.Error
	if !errors.As(err, &refused) {
		return err
	}
	if gone := ctx.Err(); gone != nil &&
		(refused.Status == http.StatusRequestTimeout || refused.Status == 499) {
		return fmt.Errorf("latchkey: %s: %w", a.Operation, gone)
	}
	answer := *refused
	answer.RequestID = id
	return &answer
}

func refusal(status int, kind, detail string) *latchkey.Error {
	return engine.NewError(status, http.StatusText(status), kind, detail)
}
