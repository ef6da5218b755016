package protect

import (
	"context"
	"errors"

	"github.com/latchkeyhq/latchkey"
)

// Protect wraps any function of one input and one output so that it runs only
// for valid keys. keyOf finds the key in the input and says whether there is one;
// handle gets the verification, which is in its context too. Without options the
// wrapped function returns the errors of [Guard.Check]. What handle returns,
// errors included, passes through untouched.
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
		return handle(NewContext(ctx, v), in, v)
	}
}

// Option changes what a function made by [Protect] returns in place of an error of the guard.
type Option[In, Out any] func(*hooks[In, Out])

type hooks[In, Out any] struct {
	onDenied func(context.Context, In, *Denied) (Out, error)
	onError  func(context.Context, In, error) (Out, error)
}

// OnDenied makes the output for a key that may not pass, or for no key at all.
func OnDenied[In, Out any](answer func(ctx context.Context, in In, d *Denied) (Out, error)) Option[In, Out] {
	return func(h *hooks[In, Out]) { h.onDenied = answer }
}

// OnError makes the output for a key that could not be verified. It never sees
// an error of the protected function itself.
func OnError[In, Out any](answer func(ctx context.Context, in In, err error) (Out, error)) Option[In, Out] {
	return func(h *hooks[In, Out]) { h.onError = answer }
}

// refuse returns what the hooks make of an error of the guard, or else the error.
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
