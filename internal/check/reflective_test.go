package check

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// reflective checks Go values as checker.inspect does, but finds everything
// through package reflect: no place in memory is computed.
type reflective struct{ checker }

func (c *reflective) inspect(n *node, v reflect.Value) {
	switch n.kind {
	case object:
		c.missing(n, func(_ int, f *node) bool {
			switch field := v.Field(f.index); f.wrap {
			case pointer:
				return field.IsNil()
			case optional:
				return field.IsZero() && !f.rules.Null
			default:
				return false
			}
		})
		for _, f := range n.fields {
			c.field(f, v.Field(f.index))
		}
	case list:
		if !c.size(n, int64(v.Len())) {
			return
		}
		for i := 0; i < v.Len() && !c.full(); i++ {
			c.trail = append(c.trail, i)
			c.inspect(n.item, v.Index(i))
			c.trail = c.trail[:len(c.trail)-1]
		}
	case text:
		c.text(n, v.String())
	case whole:
		c.size(n, v.Int())
	case instant:
		c.size(n, v.Addr().Interface().(*latchkey.Time).UnixMilli())
	case span:
		c.size(n, v.Addr().Interface().(*latchkey.Duration).Milliseconds())
	case meta:
		c.meta(n, v.Addr().Interface().(*latchkey.Meta))
	}
}

func (c *reflective) field(f *node, v reflect.Value) {
	switch f.wrap {
	case optional:
		state := v.Addr().Interface().(interface {
			IsZero() bool
			IsNull() bool
		})
		switch {
		case state.IsNull() && !f.rules.Null:
			c.wrongKind(f, true)
		case !state.IsNull() && !state.IsZero():
			c.inspect(f, held(v))
		}
	case pointer:
		if !v.IsNil() {
			c.inspect(f, v.Elem())
		}
	default:
		zero := v.IsZero()
		if t, ok := v.Addr().Interface().(*latchkey.Time); ok {
			zero = t.IsZero()
		}
		if f.rules.Required || !zero {
			c.inspect(f, v)
		}
	}
}

// sameFaults holds that the plan finds in the value of a body what reflection
// finds. The body is read without any check, as far as it fits.
func sameFaults(t interface{ Errorf(string, ...any) }, p *Plan, body []byte) (faults int) {
	v := reflect.New(p.typ)
	_ = json.Unmarshal(body, v.Interface()) // what doesn't fit is left out
	var want reflective
	want.inspect(p.root, v.Elem())
	got := p.Value(v.Interface())
	if diff := cmp.Diff(want.faults, got); diff != "" {
		t.Errorf("%q as %s: %s", body, p.typ, diff)
	}
	return len(got)
}

func TestInspectAgreesWithReflection(t *testing.T) {
	s, plan := oracle(t), Of[update]()
	right, wrong := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if sameFaults(t, plan, []byte(drawJSON(t, s))) == 0 {
			right++
		} else {
			wrong++
		}
	})
	if right == 0 || wrong == 0 {
		t.Errorf("%d values were right and %d wrong, so one half went untested", right, wrong)
	}
}

// FuzzInspect holds that the places in memory that the plans compute are those
// of the fields, whatever these hold.
func FuzzInspect(f *testing.F) {
	plans := []*Plan{
		Of[latchkey.VerifyKeyRequest](), Of[latchkey.LimitRequest](), Of[latchkey.MultiLimitRequest](), Of[latchkey.CreateKeyRequest](),
		Of[latchkey.UpdateKeyRequest](), Of[verification](), Of[update](), Of[calls](),
	}
	for body := range hotRequests {
		f.Add([]byte(body))
	}
	for _, seed := range []string{
		wellFormed, "{}", "[]", "[{},{},{},{}]", `{"key":"\u0000","credits":{"cost":-1},"tags":["",""],"ratelimits":[{"cost":null},{"name":"ab","limit":-1,"duration":-1}]}`,
		`{"keyId":"k","name":null,"meta":null,"labels":{},"since":-1,"credits":{"refill":{"interval":"never"}},"colors":["blue"],"limits":{"low":1,"high":10},"window":1}`,
		`[{"namespace":"","identifier":"i","limit":0,"duration":999,"cost":-1,"mode":"slow","extra":{"each":[" "]}}]`,
		`{"name":"äöü","prefix":"p p","byteLength":15,"expires":4102444800001,"recoverable":true,"enabled":null,"roles":[],"permissions":["ü"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range plans {
			sameFaults(t, p, body)
		}
	})
}

// TestValuesOfHotRequestsAreCheckedInPlace: without an allocation.
func TestValuesOfHotRequestsAreCheckedInPlace(t *testing.T) {
	for body, plan := range hotRequests {
		v := reflect.New(plan.typ).Interface()
		if err := json.Unmarshal([]byte(body), v); err != nil {
			t.Fatal(err)
		}
		lists := 0.0 // the index of an item takes room
		if _, ok := v.(*latchkey.MultiLimitRequest); ok {
			lists = 1
		} else if r, ok := v.(*latchkey.VerifyKeyRequest); ok && len(r.Tags)+len(r.Ratelimits) > 0 {
			lists = 1
		}
		if n := testing.AllocsPerRun(100, func() { plan.Value(v) }); n > lists {
			t.Errorf("%s: %v allocations, want %v", body, n, lists)
		}
	}
}
