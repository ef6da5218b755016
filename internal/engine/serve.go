package engine

import (
	"context"
	"reflect"

	"github.com/latchkeyhq/latchkey"
)

// Call is a request for one operation, as a transport received it.
type Call struct {
	// Caller is the caller. The transport sets its Request, and Serve its root key.
	Caller
	// Token is the presented root key, or "" without a well-formed one.
	Token string
	// PortalSession is the presented access token of a portal session, or "" without one.
	PortalSession string
	// Callers caches the caller of transports with a single one; nil for others.
	Callers *CallerCache
	// ByKey admits a verification without a root key; nil for no such verification.
	ByKey *ByKey
	// Gate is the API whose keys a gate verifies, in place of a root key; "" for other calls.
	Gate string
	// Value is the request as a pointer to the operation's request type. If nil,
	// the request is Body.
	Value any
	// Body is the request as JSON. GET requests have none, and others need none if the
	// operation says so.
	Body []byte
}

// Serve serves a call. Every transport calls it, so that checks run in the same
// order everywhere: the form of the request, the root key, the request limit of
// the workspace, and the operation, which starts with its authorization. Every
// error is a *latchkey.Error.
func (e *Engine) Serve(ctx context.Context, op *Op, call *Call) (Response, error) {
	request, faults := op.read(call)
	if len(faults) > 0 {
		return Response{}, invalid(faults...)
	}
	if call.Trace != nil {
		call.Trace.Checked = true
	}
	if op.Public {
		call.root = anonymousRootKey
		return e.run(ctx, op, &call.Caller, request)
	}
	if r, verifies := request.(*latchkey.VerifyKeyRequest); verifies && call.Token == "" &&
		call.ByKey != nil {
		if err := e.authenticateByKey(ctx, call, r); err != nil {
			e.refuseCaller(ctx, &call.Caller, err)
			return Response{}, err
		}
		return e.run(ctx, op, &call.Caller, request)
	}
	if err := e.authenticateCall(ctx, op, call); err != nil {
		return Response{}, err
	}
	quota, err := e.checkQuota(ctx, &call.Caller)
	if call.Trace != nil {
		call.Trace.Quota = quota
	}
	if err != nil {
		e.refuseCaller(ctx, &call.Caller, err)
		return Response{}, err
	}
	if op.Scope == "" && !op.Holder {
		e.used.noteRoot(call.root)
	}
	return e.run(ctx, op, &call.Caller, request)
}

// Authenticate checks the root key of a call as Serve does, for transports that
// must know it before they read a long request. It returns the workspace of the
// root key.
func (e *Engine) Authenticate(
	ctx context.Context, op *Op, call *Call,
) (workspace string, err error) {
	if err := e.authenticateCall(ctx, op, call); err != nil {
		return "", err
	}
	return call.WorkspaceID(), nil
}

// read returns the request of a call, or its faults.
func (op *Op) read(call *Call) (any, []latchkey.Fault) {
	switch {
	case call.Value != nil:
		return call.Value, op.Check(call.Value)
	case (op.GET || op.BodyOptional) && len(call.Body) == 0:
		return reflect.New(op.Request).Interface(), nil
	}
	return op.Decode(call.Body)
}

// authenticateCall looks up the root key of a call, or its portal session or key if the
// operation is one of those, and sets it as the caller's.
func (e *Engine) authenticateCall(ctx context.Context, op *Op, call *Call) error {
	var err error
	switch {
	case op.Scope != "":
		err = e.authenticateSession(ctx, op, call)
	case op.Holder:
		err = e.authenticateHolder(ctx, op, call)
	default:
		err = e.findCaller(ctx, call)
	}
	if err != nil {
		e.refuseCaller(ctx, &call.Caller, err)
	}
	return err
}

func (e *Engine) findCaller(ctx context.Context, call *Call) error {
	if call.Gate != "" {
		return e.authenticateGate(ctx, call)
	}
	if call.Token == "" {
		return errMalformed.with(
			"The Authorization header must be the word Bearer, one space and a root key.",
		)
	}
	call.token = call.Token
	if call.root = call.Callers.reauthenticate(e, call.Lane, call.Token); call.root != nil {
		return nil
	}
	if err := e.authenticate(ctx, call.Token, &call.Caller); err != nil {
		return err
	}
	call.Callers.save(call.Token, call.root)
	return nil
}
