package wire_test

import (
	"reflect"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/check"
	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// A request that package wire doesn't know panics when it arrives, and an answer is
// left to encoding/json, which takes seven times as long.
func TestAllOperationsHaveGeneratedCode(t *testing.T) {
	for _, op := range engine.Ops {
		wire.Check(reflect.New(op.Request).Interface())
		if op.Response == nil || op.Response == reflect.TypeFor[[]latchkey.AnalyticsRow]() {
			continue
		}
		if _, ok := wire.Append(nil, reflect.Zero(op.Response).Interface()); !ok {
			t.Errorf("%s: answers of type %s are not known", op.Name, op.Response)
		}
	}
}

// TestForgottenFieldsAreErrors: JSON can leave a required field out, which is an error. A
// Go value has its zero then, which must be an error, too: it must not spend nothing,
// block everything or end a key. Lists are the exception: nil is the empty list, and
// their comments say what that does. An empty text names nothing.
func TestForgottenFieldsAreErrors(t *testing.T) {
	for _, op := range engine.Ops {
		requiredFields(op.Request, func(of reflect.Type, f reflect.StructField, rules check.Rules) {
			zeroPasses := rules.Min == nil || *rules.Min <= 0
			_, isOpt := reflect.Zero(f.Type).Interface().(interface{ IsNull() bool })
			isList, isText := f.Type.Kind() == reflect.Slice, f.Type.Kind() == reflect.String
			if zeroPasses && !isOpt && !isList && !isText {
				t.Errorf("%s: %s.%s is required, and its zero value passes: make it an Opt",
					op.Name, of.Name(), f.Name)
			}
		})
	}
}

// requiredFields calls f for each required field of a request and of what is in it.
func requiredFields(t reflect.Type, f func(reflect.Type, reflect.StructField, check.Rules)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		requiredFields(t.Elem(), f)
	case reflect.Struct:
		if get, isOpt := t.MethodByName("Get"); isOpt {
			requiredFields(get.Type.Out(0), f)
			return
		}
		for field := range t.Fields() {
			if !field.IsExported() {
				continue
			}
			if rules, err := check.Parse(field.Tag.Get("check")); err == nil && rules.Required {
				f(t, field, rules)
			}
			if field.Type.PkgPath() != "time" {
				requiredFields(field.Type, f)
			}
		}
	}
}
