package protect

import (
	"context"
	"errors"

	"github.com/latchkeyhq/latchkey"
)

// Protect wraps a function of one input and one output, so that it runs only for
// valid keys. keyOf returns the key of the input, and whether there is one. handle
// gets the verification as an argument, and in its context. Without options the
// wrapped function returns the errors of [Guard.Check]. Results and errors of
// handle are returned as they are.
func Protect[In, Out any](
	g *Guard,
	keyOf func(ctx context.Context, in In) (key string, ok bool),
	handle func(ctx context.Context, in In, v latchkey.Verification) (Out, error),
	options ...Option[In, Out],
) func(ctx context.Context, in In) (Out, error) {
	var h hooks[In, Out]
	for _, option := range options {
		option(&h)
	}
	return func(ctx context.Context, in In) (Out, error) {
		key, ok := keyOf(ctx, in)
		if !ok {
			key = ""
		}
		v, err := g.Check(ctx, key)
		if err != nil {
			return h.refuse(ctx, in, err)
		}
		ctx, end := g.Begin(ctx, v)
		defer end()
		return handle(ctx, in, v)
	}
}

// Option sets what a function wrapped by [Protect] returns instead of an error of
// the guard.
type Option[In, Out any] func(*hooks[In, Out])

type hooks[In, Out any] struct {
	onDenied func(context.Context, In, *Denied) (Out, error)
	onError  func(context.Context, In, error) (Out, error)
}

// OnDenied sets the output for an input without a valid key.
func OnDenied[In, Out any](
	answer func(ctx context.Context, in In, d *Denied) (Out, error),
) Option[In, Out] {
	return func(h *hooks[In, Out]) { h.onDenied = answer }
}

// OnError sets the output for an input whose key could not be verified. It is not
// called for errors of the protected function.
func OnError[In, Out any](
	answer func(ctx context.Context, in In, err error) (Out, error),
) Option[In, Out] {
	return func(h *hooks[In, Out]) { h.onError = answer }
}

// refuse returns the output of the hooks for an error of the guard, or the error
// if there is no hook for it.
func (h hooks[In, Out]) refuse(ctx context.Context, in In, err error) (Out, error) {
	var d *Denied
	switch {
	case errors.As(err, &d):
		if h.onDenied != nil {
			return h.onDenied(ctx, in, d)
		}
	case h.onError != nil:
		return h.onError(ctx, in, err)
	}
	return *new(Out), err
}
