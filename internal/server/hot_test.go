package server

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// drawAnswer puts anything that an answer may hold into v. It reports whether
// there is a string that needs escaping. It knows the types that the answers are
// made of today and fails at another, which hot wouldn't know either.
func drawAnswer(t *rapid.T, v reflect.Value) (odd bool) {
	switch field := v.Addr().Interface().(type) {
	case *latchkey.Meta:
		*field = rapid.SampledFrom([]latchkey.Meta{"", "{}", `{"plan":"pro plan","n":1.50}`, `{"a":"\"ü\n<\u003c"}`}).Draw(t, "meta")
		return false
	case *latchkey.Time:
		*field = rapid.SampledFrom([]latchkey.Time{{}, latchkey.AtMilli(0), latchkey.AtMilli(-1), latchkey.AtMilli(1_772_452_815_000)}).Draw(t, "time")
		return false
	case *latchkey.Duration:
		*field = latchkey.PerMilli(rapid.Int64().Draw(t, "duration"))
		return false
	case *latchkey.Opt[int64]:
		*field = drawOpt(t, rapid.Int64())
		return false
	case *latchkey.Opt[bool]:
		*field = drawOpt(t, rapid.Bool())
		return false
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "number"))
	case reflect.String:
		return drawText(t, v)
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			return drawAnswer(t, v.Elem())
		}
	case reflect.Slice:
		n := rapid.IntRange(-1, 3).Draw(t, "length")
		if n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range n {
			odd = drawAnswer(t, v.Index(i)) || odd
		}
	case reflect.Struct:
		for i := range v.NumField() {
			odd = drawAnswer(t, v.Field(i)) || odd
		}
	default:
		t.Fatalf("a %s in an answer", v.Type())
	}
	return odd
}

func drawOpt[T any](t *rapid.T, some *rapid.Generator[T]) latchkey.Opt[T] {
	switch rapid.IntRange(0, 2).Draw(t, "state") {
	case 0:
		return latchkey.Opt[T]{}
	case 1:
		return latchkey.Null[T]()
	}
	return latchkey.Set(some.Draw(t, "value"))
}

func drawText(t *rapid.T, v reflect.Value) (odd bool) {
	const plain = `<p>Tom & Jerry's /*-+~ {}[],:`
	if rapid.IntRange(0, 30).Draw(t, "odd") == 0 {
		v.SetString(rapid.SampledFrom([]string{`"`, `\`, "a\n", "\x00", "\x1f", "\x7f", "ü", "\u2028", "\xff", "ab\xe2\x80"}).Draw(t, "text"))
		return true
	}
	v.SetString(rapid.SampledFrom([]string{"", "VALID", "key_2qZrC3pV", plain}).Draw(t, "text"))
	return false
}

// writtenAlike holds that hot writes an answer of type T as encoding/json does,
// and that it writes all but those with strings that need escaping.
func writtenAlike[T any](t *rapid.T) {
	var answer T
	odd := drawAnswer(t, reflect.ValueOf(&answer).Elem())
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		t.Fatal(err)
	}
	got, ok := appendHot([]byte("before"), answer)
	if ok == odd {
		t.Fatalf("written: %v, needs escaping: %v: %s", ok, odd, &want)
	}
	if diff := cmp.Diff("before"+want.String(), string(got)+"\n"); ok && diff != "" {
		t.Error(diff)
	}
}

func TestHotAnswersAreWrittenAsEver(t *testing.T) {
	t.Run("verification", rapid.MakeCheck(writtenAlike[latchkey.Verification]))
	t.Run("limit", rapid.MakeCheck(writtenAlike[latchkey.LimitResult]))
}

func FuzzHotAnswers(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		writtenAlike[latchkey.Verification](t)
		writtenAlike[latchkey.LimitResult](t)
	}))
}

func TestHotAnswersAllocateNothing(t *testing.T) {
	for _, answer := range []any{
		latchkey.LimitResult{Success: true, Limit: 10, Remaining: 9, Reset: latchkey.AtMilli(1_772_452_815_000), OverrideID: "ovr_1"},
		latchkey.Verification{
			Valid: true, Code: latchkey.Valid, KeyID: "key_1", Meta: `{"plan":"pro"}`, Expires: latchkey.AtMilli(1), Credits: latchkey.Set[int64](3),
			Enabled: latchkey.Set(true), Permissions: []string{"docs.read"}, Identity: &latchkey.Identity{ID: "id_1", Ratelimits: make([]latchkey.Ratelimit, 2)},
			Ratelimits: make([]latchkey.RatelimitState, 2),
		},
	} {
		out, written := make([]byte, 0, 4096), false
		if n := testing.AllocsPerRun(100, func() { _, written = appendHot(out, answer) }); n != 0 || !written {
			t.Errorf("%T: %v allocations, want none; written: %v", answer, n, written)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	var answer any = latchkey.Verification{
		Valid: true, Code: latchkey.Valid, KeyID: "key_2qZrC3pV", Name: "a key", Meta: `{"plan":"pro"}`, Enabled: latchkey.Set(true), Permissions: []string{"docs.read"},
	}
	b.Run("hot", func(b *testing.B) {
		out := make([]byte, 0, 4096)
		for b.Loop() {
			appendHot(out, answer)
		}
	})
	b.Run("json", func(b *testing.B) {
		enc := json.NewEncoder(io.Discard)
		for b.Loop() {
			_ = enc.Encode(answer)
		}
	})
}

// TestNamesOfAllKindsAreAnswered goes the way that hot leaves to encoding/json.
func TestNamesOfAllKindsAreAnswered(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	for _, name := range []string{"plain", `"quoted"`, "Schlüssel", "a\nb", strings.Repeat("long ", 50)} {
		key := w.ok("key", "keys.createKey", asJSON(t, map[string]string{"apiId": api, "name": name}))
		same(t, "name", w.ok("name", "keys.verifyKey", `{"key":"`+key+`"}`), name)
	}
}
