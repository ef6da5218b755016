package protect

import (
	"context"
	"errors"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

type call struct{ token, text string }

func token(_ context.Context, in call) (string, bool) { return in.token, in.token != "" }

// shout is protected in these tests; it wants to find its verification in the context too.
func shout(ctx context.Context, in call, v latchkey.Verification) (string, error) {
	if found, ok := FromContext(ctx); !ok || found.KeyID != v.KeyID {
		return "", errors.New("no verification in the context")
	}
	return in.text + "!", nil
}

func TestProtectedFunctionRunsForValidKeys(t *testing.T) {
	got, err := Protect(New(Config{Verifier: always(valid, nil)}), token, shout)(t.Context(), call{
		"sk_1", "hello",
	})
	same(t, got, "hello!")
	same(t, err, nil)
}

func TestProtectedFunctionReturnsTheDenial(t *testing.T) {
	g := New(Config{Verifier: always(latchkey.Verification{Code: latchkey.Expired}, nil)})
	for in, want := range map[call]latchkey.Code{
		{"sk_1", "hello"}: latchkey.Expired, {"", "hello"}: NoKey,
	} {
		got, err := Protect(g, token, shout)(t.Context(), in)
		var d *Denied
		if !errors.As(err, &d) {
			t.Fatalf("the error is %v, not a denial", err)
		}
		same(t, got, "")
		same(t, d.Verification.Code, want)
	}
}

func TestProtectedFunctionReturnsTheTrouble(t *testing.T) {
	down := errors.New("down")
	_, err := Protect(New(Config{Verifier: always(valid, down)}), token, shout)(t.Context(), call{
		"sk_1", "hello",
	})
	var d *Denied
	if !errors.Is(err, down) || errors.As(err, &d) {
		t.Errorf("the error is %v, want one that wraps %v and is no denial", err, down)
	}
}

func TestHooksAnswerForTheGuardOnly(t *testing.T) {
	// even this is the function's affair
	own := &Denied{Verification: latchkey.Verification{Code: "OWN"}}
	wrap := func(v Verifier) func(context.Context, call) (string, error) {
		return Protect(New(Config{Verifier: v}), token,
			func(context.Context, call, latchkey.Verification) (string, error) { return "partial", own },
			OnDenied(func(_ context.Context, in call, d *Denied) (string, error) {
				return in.text + " denied: " + string(d.Verification.Code), nil
			}),
			OnError(func(_ context.Context, in call, err error) (string, error) {
				return in.text + " failed", err
			}))
	}
	in, down := call{"sk_1", "hello"}, errors.New("down")

	got, err := wrap(always(latchkey.Verification{Code: latchkey.Disabled}, nil))(t.Context(), in)
	same(t, got, "hello denied: DISABLED")
	same(t, err, nil)

	got, err = wrap(always(valid, down))(t.Context(), in)
	same(t, got, "hello failed")
	same(t, errors.Is(err, down), true)

	got, err = wrap(always(valid, nil))(t.Context(), in)
	same(t, got, "partial")
	same(t, err == error(own), true)
}

func TestOneHookLeavesTheOtherErrorAlone(t *testing.T) {
	onlyError := OnError(func(context.Context, call, error) (string, error) { return "hook", nil })
	_, err := Protect(
		New(Config{Verifier: always(latchkey.Verification{Code: latchkey.Disabled}, nil)}), token, shout,
		onlyError,
	)(t.Context(), call{"sk_1", ""})
	var d *Denied
	same(t, errors.As(err, &d), true)

	down := errors.New("down")
	onlyDenied := OnDenied(func(context.Context, call, *Denied) (string, error) { return "hook", nil })
	_, err = Protect(New(Config{Verifier: always(valid, down)}), token, shout, onlyDenied)(t.Context(),
		call{"sk_1", ""})
	same(t, errors.Is(err, down), true)
}
