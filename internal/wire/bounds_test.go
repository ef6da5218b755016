package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// TestEveryListAndTextHasAMaximum goes through the fields of all requests. What a
// request may bring without a bound costs memory, disk or the writer's time without one.
func TestEveryListAndTextHasAMaximum(t *testing.T) {
	for _, op := range engine.Ops {
		unbounded(op.Request, "", func(path, what string) {
			t.Errorf("%s: %s: %s", op.Name, path, what)
		})
	}
}

// unbounded reports the fields of a request type that have no maximum.
func unbounded(request reflect.Type, path string, report func(path, what string)) {
	if request.Kind() == reflect.Slice {
		request = request.Elem()
	}
	for i := range request.NumField() {
		f := request.Field(i)
		if f.Name == "_" {
			continue
		}
		at := path + "/" + f.Name
		rules := strings.Split(f.Tag.Get("check"), ",")
		has := func(rule string) bool {
			for _, r := range rules {
				if strings.HasPrefix(r, rule) {
					return true
				}
			}
			return false
		}
		typ := f.Type
		if value, isOpt := typ.MethodByName("Get"); isOpt {
			typ = value.Type.Out(0)
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch typ.Kind() {
		case reflect.String:
			if !has("max=") && !has("enum=") {
				report(at, "a text without a maximum")
			}
		case reflect.Int64, reflect.Int:
			// A number takes the same room whatever it is.
		case reflect.Slice:
			if !has("max=") {
				report(at, "a list without a maximum")
			}
			if typ.Elem().Kind() == reflect.Struct {
				unbounded(typ.Elem(), at, report)
			} else if !has("items.max=") && !has("items.enum=") {
				report(at, "items without a maximum")
			}
		case reflect.Struct:
			switch typ {
			case reflect.TypeFor[latchkey.Time]():
			case reflect.TypeFor[latchkey.Duration]():
				// The real server has no maximum for limits that are stored, of which a
				// key has at most fifty.
				if !has("max=") && request != reflect.TypeFor[latchkey.RatelimitRequest]() &&
					request != reflect.TypeFor[latchkey.SetOverrideRequest]() {
					report(at, "a duration without a maximum, for which a count is kept")
				}
			default:
				unbounded(typ, at, report)
			}
		case reflect.Bool:
		default:
			report(at, "a "+typ.String()+", which this test doesn't know")
		}
	}
}
