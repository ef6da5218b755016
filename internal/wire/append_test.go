package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// answerTypes returns the types that the client's methods return, of a page its list.
func answerTypes() (types []reflect.Type) {
	types = []reflect.Type{
		reflect.TypeFor[latchkey.Liveness](), reflect.TypeFor[latchkey.Empty](),
		reflect.TypeFor[latchkey.Pagination](),
	}
	for m := range clientMethods() {
		if m.NumOut() < 2 {
			continue
		}
		t := m.Out(0)
		if strings.HasPrefix(t.Name(), "Page[") {
			t = t.Field(0).Type
		}
		if t != reflect.TypeFor[[]latchkey.AnalyticsRow]() && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// drawAnswer puts anything that an answer can hold into v. It fails at a type that
// it doesn't know, which Append would not know either.
func drawAnswer(t *rapid.T, v reflect.Value) {
	switch field := v.Addr().Interface().(type) {
	case *latchkey.Meta:
		*field = rapid.SampledFrom([]latchkey.Meta{
			"", "{}", `{"plan":"pro plan","n":1.50}`, `{"a":"\"ü<\u003c"}`,
		}).Draw(t, "meta")
		return
	case *latchkey.Time:
		*field = rapid.SampledFrom([]latchkey.Time{
			{}, latchkey.AtMilli(0), latchkey.AtMilli(-1), latchkey.AtMilli(1_772_452_815_000),
		}).Draw(t, "time")
		return
	case *latchkey.Duration:
		*field = latchkey.PerMilli(
			rapid.SampledFrom([]int64{0, 60_000, -1 << 63}).Draw(t, "duration"),
		)
		return
	case *latchkey.Opt[int64]:
		*field = drawOpt(t, rapid.Int64())
		return
	case *latchkey.Opt[bool]:
		*field = drawOpt(t, rapid.Bool())
		return
	case *latchkey.Opt[string]:
		// without < and the like, which Opt.MarshalJSON writes in another spelling
		*field = drawOpt(t, rapid.StringMatching(`[a-z0-9é"\\ ]{0,9}`))
		return
	case *latchkey.Opt[latchkey.BudgetPeriod]:
		*field = drawOpt(t, rapid.Just(latchkey.BudgetPeriod{Every: latchkey.EveryMonth, Anchor: 2}))
		return
	case *latchkey.Opt[latchkey.Time]:
		*field = drawOpt(t, rapid.Map(rapid.Int64Range(-1, 4102444800000), latchkey.AtMilli))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64()).Draw(t, "number"))
	case reflect.String:
		some := rapid.OneOf(rapid.Just(""), rapid.Just("key_2qZrC3pV"), rapid.String(), anyBytes)
		v.SetString(some.Draw(t, "text"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			drawAnswer(t, v.Elem())
		}
	case reflect.Slice:
		n := rapid.IntRange(-1, 3).Draw(t, "length")
		if n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range n {
			drawAnswer(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			drawAnswer(t, v.Field(i))
		}
	default:
		t.Fatalf("a %s in an answer", v.Type())
	}
}

// anyBytes draws texts that are not always UTF-8, and those that need escapes.
var anyBytes = rapid.Custom(func(t *rapid.T) string {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", `<&>`, `"`, `\`, "\b", "\f", "\n", "\r", "\t", "\x00", "\x1f", "\x7f", "ü", "😀",
		"\u2028",
		"\u2029", "\ufffd", "\xff", "\xe2\x80",
	}), 0, 5).Draw(t, "parts")
	return strings.Join(parts, "")
})

func drawOpt[T any](t *rapid.T, some *rapid.Generator[T]) latchkey.Opt[T] {
	switch rapid.IntRange(0, 2).Draw(t, "state") {
	case 0:
		return latchkey.Opt[T]{}
	case 1:
		return latchkey.Null[T]()
	}
	return latchkey.Set(some.Draw(t, "value"))
}

// appendsAlike holds that Append writes an answer as encoding/json does.
func appendsAlike(t *rapid.T, of reflect.Type) {
	answer := reflect.New(of).Elem()
	drawAnswer(t, answer)
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer.Interface()); err != nil {
		t.Fatal(err)
	}
	got, ok := Append([]byte("before"), answer.Interface())
	if diff := cmp.Diff("before"+want.String(), string(got)+"\n"); !ok || diff != "" {
		t.Errorf("%s: known: %v %s", of, ok, diff)
	}
}

func TestResponsesAreWrittenAsEncodingJSONDoes(t *testing.T) {
	for _, of := range answerTypes() {
		t.Run(of.String(), rapid.MakeCheck(func(t *rapid.T) { appendsAlike(t, of) }))
	}
}

func FuzzAppend(f *testing.F) {
	types := answerTypes()
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		appendsAlike(t, rapid.SampledFrom(types).Draw(t, "type"))
	}))
}

func TestAppendRejectsOtherTypes(t *testing.T) {
	for _, other := range []any{
		nil, "text", struct{}{}, &latchkey.Key{}, []latchkey.AnalyticsRow{},
	} {
		if got, ok := Append([]byte("before"), other); ok || string(got) != "before" {
			t.Errorf("%T: %q, %v", other, got, ok)
		}
	}
}
