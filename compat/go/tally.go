package main

import (
	"fmt"
	"os"

	"github.com/google/go-cmp/cmp"
)

// tally counts checks and prints the failed ones.
type tally struct {
	scenario       string
	passed, failed int
}

// abort is the panic value of a scenario that cannot continue.
type abort struct{ cause error }

// run runs one scenario. A scenario that aborts counts as a failed check, and the next one
// still runs.
func (t *tally) run(name string, scenario func()) {
	t.scenario = name
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case abort:
			t.fail("the scenario aborted", cause.cause)
		default:
			panic(cause)
		}
	}()
	scenario()
}

// same checks that two values are equal in every field, and reports whether they are.
func (t *tally) same(what string, got, want any, options ...cmp.Option) bool {
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.fail(what, "-want +got\n"+diff)
		return false
	}
	t.passed++
	return true
}

// holds checks a condition, and prints the details if it is false.
func (t *tally) holds(what string, condition bool, details ...any) {
	if !condition {
		t.fail(what, details...)
		return
	}
	t.passed++
}

func (t *tally) fail(what string, details ...any) {
	t.failed++
	fmt.Fprintf(os.Stderr, "FAIL %s: %s: %s\n", t.scenario, what, fmt.Sprint(details...))
}

// must returns the response of a call, and aborts the scenario on an error.
func must[T any](response T, err error) T {
	if err != nil {
		panic(abort{err})
	}
	return response
}
