package main

import (
	"fmt"
	"os"

	"github.com/google/go-cmp/cmp"
)

// tally counts checks and tells of those that fail.
type tally struct {
	scenario       string
	passed, failed int
}

// stop is what a scenario panics with when it can't go on.
type stop struct{ cause error }

// run runs one scenario. One that can't go on counts as a failed check, and the
// next is run all the same.
func (t *tally) run(name string, scenario func()) {
	t.scenario = name
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case stop:
			t.fail("the scenario could not go on", cause.cause)
		default:
			panic(cause)
		}
	}()
	scenario()
}

// same checks that two values are equal in every field, and returns whether they
// are.
func (t *tally) same(what string, got, want any, options ...cmp.Option) bool {
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.fail(what, "-want +got\n"+diff)
		return false
	}
	t.passed++
	return true
}

// holds checks a condition. The details are printed if it doesn't hold.
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

// must returns the answer of a call that the rest of a scenario stands on.
func must[T any](answer T, err error) T {
	if err != nil {
		panic(stop{err})
	}
	return answer
}
