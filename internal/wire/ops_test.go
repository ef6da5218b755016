package wire_test

import (
	"reflect"
	"testing"

	"github.com/latchkeyhq/latchkey"
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
