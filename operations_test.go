package latchkey_test

import (
	"context"
	"encoding/json"
	"iter"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// recorder is a transport that notes what it is asked.
type recorder struct{ attempts []*latchkey.Attempt }

func (r *recorder) Send(_ context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	r.attempts = append(r.attempts, a)
	return latchkey.Answer{}, &latchkey.Error{Status: 400}
}

// TestEveryOperationHasAMethod calls every method of the client and finds every
// operation of the table called, with a request of its type.
func TestEveryOperationHasAMethod(t *testing.T) {
	r := &recorder{}
	c := newClient(t, latchkey.Config{Transport: r})
	client := reflect.ValueOf(c)
	callAll(t, client, client.MethodByName("Liveness"))
	for i := range client.Elem().NumField() {
		noun := client.Elem().Field(i)
		if !client.Elem().Type().Field(i).IsExported() {
			continue
		}
		for m := range noun.NumMethod() {
			callAll(t, noun, noun.Method(m))
		}
	}
	called := map[string]bool{}
	for _, a := range r.attempts {
		called[a.Operation] = true
		op, known := engine.Lookup(a.Operation)
		if !known {
			t.Errorf("%s is not an operation", a.Operation)
		} else if got := reflect.TypeOf(a.Request); got != reflect.PointerTo(op.Request) {
			t.Errorf("%s is called with a %v", a.Operation, got)
		}
	}
	for _, op := range engine.Ops {
		if !called[op.Name] {
			t.Errorf("no method calls %s", op.Name)
		}
	}
}

// callAll calls a method with the zero request; of one that walks a list it
// takes the first step. All of them must report the transport's error.
func callAll(t *testing.T, of, method reflect.Value) {
	t.Helper()
	in := []reflect.Value{reflect.ValueOf(t.Context())}
	if method.Type().NumIn() == 3 {
		in = append(in, reflect.Zero(method.Type().In(1)))
	}
	out := method.Call(in)
	last := out[len(out)-1]
	if last.Kind() == reflect.Func { // an iter.Seq2[T, error]
		next, stop := pull(last)
		defer stop()
		last = next()
	}
	if err, ok := last.Interface().(error); !ok || err == nil {
		t.Errorf("%v: a method gave no error", of.Type())
	}
}

// pull returns a function that takes one step of an iterator and returns its error.
func pull(seq reflect.Value) (func() reflect.Value, func()) {
	next, stop := iter.Pull2(seq.Seq2())
	return func() reflect.Value { _, err, _ := next(); return err }, stop
}

// TestNilListsAreSentEmpty: Go's nil slice means no items, which services want
// to read as [], and never as null. Every field of every request is looked at.
func TestNilListsAreSentEmpty(t *testing.T) {
	for _, op := range engine.Ops {
		if op.GET {
			continue
		}
		request := reflect.New(op.Request)
		setNilLists(request.Elem())
		before := request.Elem().Interface()
		s := &service{}
		if _, _, err := s.client(t).Call(t.Context(), op.Name, request.Interface()); err != nil {
			t.Fatal(op.Name, err)
		}
		// which means unlimited
		if strings.Contains(strings.ReplaceAll(s.bodies[0], `"remaining":null`, ""), "null") {
			t.Errorf("%s: %s", op.Name, s.bodies[0])
		}
		if !reflect.DeepEqual(before, request.Elem().Interface()) {
			t.Errorf("%s: the caller's request was changed", op.Name)
		}
		if _, _, err := s.client(t).Call(t.Context(), op.Name, before); err != nil {
			t.Fatal(op.Name, err)
		}
		same(t, op.Name+" by value", s.bodies[1], s.bodies[0])
	}
}

// setNilLists sets what a request can hold, down to its lists, which stay nil.
func setNilLists(v reflect.Value) {
	if v.Kind() == reflect.Slice {
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch set := f.Addr().Interface().(type) {
		case *latchkey.Opt[[]string]:
			*set = latchkey.Set[[]string](nil)
		case *latchkey.Opt[[]latchkey.RatelimitRequest]:
			*set = latchkey.Set[[]latchkey.RatelimitRequest](nil)
		default:
			if f.Kind() == reflect.Pointer {
				f.Set(reflect.New(f.Type().Elem()))
			}
			if f.Type() == reflect.TypeFor[[]latchkey.MigrateKey]() {
				f.Set(reflect.ValueOf([]latchkey.MigrateKey{{}}))
			}
		}
	}
}

func TestRequestsOfTheCallerAreEncodedAsTheyAre(t *testing.T) {
	type own struct {
		Raw  json.RawMessage
		List []int
		none []int
	}
	for _, c := range []struct {
		request any
		want    string
	}{
		{map[string]any{"a": nil}, `{"a":null}`},
		{json.RawMessage(`{"a":null}`), `{"a":null}`},
		{own{none: nil}, `{"Raw":null,"List":[]}`},
		{&own{Raw: json.RawMessage("1"), List: []int{1}}, `{"Raw":1,"List":[1]}`},
		{[]string(nil), `[]`},
		{nil, `null`},
		{(*own)(nil), `null`},
	} {
		s := &service{}
		if _, _, err := s.client(t).Call(t.Context(), "apis.getApi", c.request); err != nil {
			t.Fatal(err)
		}
		same(t, c.want, s.bodies[0], c.want)
	}
	if _, _, err := (&service{}).client(t).Call(t.Context(), "apis.getApi", func() {}); err == nil {
		t.Error("a function was sent")
	}
}
