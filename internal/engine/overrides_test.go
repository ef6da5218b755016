package engine

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

func override(
	namespace, identifier string, limit int64, d time.Duration,
) latchkey.SetOverrideRequest {
	return latchkey.SetOverrideRequest{
		Namespace: namespace, Identifier: identifier, Limit: latchkey.Int(limit),
		Duration: latchkey.Per(d),
	}
}

func (w *world) setOverride(r latchkey.SetOverrideRequest) string {
	w.t.Helper()
	return must[latchkey.SetOverrideResult](w, w.who, "ratelimit.setOverride", r).OverrideID
}

func TestOverrideReplacesLimitAndDurationAtOnce(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	id := w.setOverride(override("api", "u", 100, time.Hour))
	want := latchkey.LimitResult{
		Success: true, Limit: 100, Remaining: 99, Reset: latchkey.At(start.Add(time.Hour)),
		OverrideID: id,
	}
	if diff := cmp.Diff(want, w.limit(w.who, ask("api", "u", 5))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got := must[latchkey.MultiLimitResult](w, w.who, "ratelimit.multiLimit",
		latchkey.MultiLimitRequest{ask("api", "u", 5)})
	if c := got.Limits[0]; c.OverrideID != id || c.Limit != 100 || c.Remaining != 98 {
		t.Errorf("in a batch: %+v", c)
	}
	if again := w.setOverride(override(w.namespaceID("api"), "u", 3, time.Minute)); again != id {
		t.Errorf("set again, the override is %s instead of %s", again, id)
	}
	if got := w.limit(w.who, ask("api", "u", 5)); got.Limit != 3 || got.Remaining != 1 {
		t.Errorf("an override of the same duration began a new count: %+v", got)
	}
	must[latchkey.Empty](w, w.who, "ratelimit.deleteOverride", latchkey.DeleteOverrideRequest{
		Namespace: "api", Identifier: "u",
	})
	if got := w.limit(w.who, ask("api", "u", 5)); got.Limit != 5 || got.OverrideID != "" {
		t.Errorf("a deleted override still applies: %+v", got)
	}
	w.setOverride(override("api", "u", 9, time.Minute))
	if got := w.limit(w.who, ask("api", "u", 5)); got.Limit != 9 {
		t.Errorf("an override that was deleted and set again doesn't apply: %+v", got)
	}
	w.wantEvents(w.who.WorkspaceID(), "ratelimit.set_override", "ratelimit.delete_override",
		"ratelimit.set_override", "ratelimit.set_override", "ratelimitNamespace.create")
}

func TestOverrideOfZeroBlocks(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.setOverride(override("api", "bad-*", 0, time.Minute))
	for _, cost := range []int64{0, 1} {
		if got := w.limit(w.who, asking(ask("api", "bad-1", 5), cost)); got.Success ||
			got.Limit != 0 || got.Remaining != 0 {
			t.Errorf("cost %d: %+v, want a refusal", cost, got)
		}
	}
}

func TestOverridesBelongToOneNamespace(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.setOverride(override("api", "u*", 1, time.Minute))
	deleting := latchkey.DeleteOverrideRequest{Namespace: "api", Identifier: "u1"}
	w.refused(w.who, "ratelimit.deleteOverride", deleting, 404, "ratelimit_override_not_found")

	other, foreign := w.otherWorkspace(), w.namespaceID("api")
	for _, name := range []string{"unknown", foreign} {
		w.refused(other, "ratelimit.setOverride", override(name, "u*", 1, time.Minute), 404,
			"ratelimit_namespace_not_found")
		w.refused(other, "ratelimit.getOverride",
			latchkey.GetOverrideRequest{Namespace: name, Identifier: "u*"}, 404,
			"ratelimit_namespace_not_found")
		w.refused(other, "ratelimit.listOverrides", latchkey.ListOverridesRequest{Namespace: name},
			404, "ratelimit_namespace_not_found")
		w.refused(other, "ratelimit.deleteOverride",
			latchkey.DeleteOverrideRequest{Namespace: name, Identifier: "u*"}, 404,
			"ratelimit_namespace_not_found")
		w.refused(other, "ratelimit.deleteNamespace",
			latchkey.DeleteNamespaceRequest{Namespace: name}, 404, "ratelimit_namespace_not_found")
	}
}

func TestOverridesOfADeletedNamespaceCanOnlyBeListed(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.setOverride(override("api", "u", 1, time.Minute))
	must[latchkey.Empty](w, w.who, "ratelimit.deleteNamespace", latchkey.DeleteNamespaceRequest{
		Namespace: "api",
	})
	w.refused(w.who, "ratelimit.setOverride", override("api", "u", 1, time.Minute), 404,
		"ratelimit_namespace_not_found")
	w.refused(w.who, "ratelimit.getOverride",
		latchkey.GetOverrideRequest{Namespace: "api", Identifier: "u"}, 404,
		"ratelimit_namespace_not_found")
	w.refused(w.who, "ratelimit.deleteOverride",
		latchkey.DeleteOverrideRequest{Namespace: "api", Identifier: "u"}, 404,
		"ratelimit_namespace_not_found")
	list := must[[]latchkey.Override](w, w.who, "ratelimit.listOverrides",
		latchkey.ListOverridesRequest{Namespace: "api"})
	if len(list) != 1 {
		t.Errorf("%d overrides are listed, want 1", len(list))
	}
}

func TestOverridePermissions(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	id := w.setOverride(override("api", "u", 1, time.Minute))
	space := w.namespaceID("api")
	requests := map[string]any{
		"ratelimit.setOverride":   override("api", "u", 1, time.Minute),
		"ratelimit.listOverrides": latchkey.ListOverridesRequest{Namespace: "api"},
		"ratelimit.deleteOverride": latchkey.DeleteOverrideRequest{
			Namespace: "api", Identifier: "u",
		},
		"ratelimit.deleteNamespace": latchkey.DeleteNamespaceRequest{Namespace: "api"},
	}
	actions := map[string]string{
		"ratelimit.setOverride": "set_override", "ratelimit.listOverrides": "read_override",
		"ratelimit.deleteOverride":  "delete_override",
		"ratelimit.deleteNamespace": "delete_namespace",
	}
	// Deleting comes last, and each after it was refused.
	for _, name := range []string{
		"ratelimit.setOverride", "ratelimit.listOverrides", "ratelimit.deleteOverride",
		"ratelimit.deleteNamespace",
	} {
		without := slices.DeleteFunc(latchkey.AllPermissions(), func(p string) bool {
			return p == "ratelimit.*."+actions[name]
		})
		w.refused(w.grant(without...), name, requests[name], 403, "insufficient_permissions")
	}
	reading := latchkey.GetOverrideRequest{Namespace: "api", Identifier: "u"}
	for _, permission := range []string{
		"ratelimit.*.read_override", "ratelimit." + space + ".read_override",
		w.resource("ratelimits/namespaces/"+space+"/overrides/"+id, "read_override"),
		w.resource("ratelimits/**", "read_override"),
	} {
		if got := must[latchkey.Override](
			w, w.grant(permission), "ratelimit.getOverride", reading,
		); got.OverrideID != id {
			t.Errorf("with %s: %+v", permission, got)
		}
	}
	for _, name := range []string{
		"ratelimit.setOverride", "ratelimit.listOverrides", "ratelimit.deleteOverride",
		"ratelimit.deleteNamespace",
	} {
		if _, err := w.do(
			w.grant("ratelimit."+space+"."+actions[name]), name, requests[name],
		); err != nil {
			t.Errorf("%s on this namespace alone: %v", name, err)
		}
	}
}

func TestUnreadableOverrideReturns404(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.setOverride(override("api", "u", 1, time.Minute))
	nobody := w.grant("ratelimit.*.set_override")
	masked := w.refusal(nobody, "ratelimit.getOverride", latchkey.GetOverrideRequest{
		Namespace: "api", Identifier: "u",
	})
	unknown := w.refusal(w.who, "ratelimit.getOverride", latchkey.GetOverrideRequest{
		Namespace: "api", Identifier: "v",
	})
	if diff := cmp.Diff(unknown, masked); diff != "" ||
		masked.Code() != "ratelimit_override_not_found" {
		t.Errorf("(-unknown +masked)\n%s", diff)
	}
}

func TestOverridesArePagedByID(t *testing.T) {
	w := newWorld(t)
	w.limit(w.who, ask("api", "u", 5))
	w.limit(w.who, ask("empty", "u", 5))
	ids := []string{}
	for i := range 7 {
		ids = append(ids,
			w.setOverride(override("api", strings.Repeat("u", i+1), int64(i), time.Minute)))
	}
	slices.Sort(ids)
	for size := 1; size <= 8; size++ {
		got := []string{}
		for _, o := range whole[latchkey.Override](w, w.who, "ratelimit.listOverrides", func(
			cursor string,
		) any {
			return latchkey.ListOverridesRequest{Namespace: "api", Limit: size, Cursor: cursor}
		}) {
			got = append(got, o.OverrideID)
			if o.Limit != int64(len(o.Identifier)-1) || o.Duration != latchkey.Per(time.Minute) {
				t.Errorf("listed as %+v", o)
			}
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("in pages of %d: (-want +got)\n%s", size, diff)
		}
	}
	if list := must[[]latchkey.Override](
		w, w.who, "ratelimit.listOverrides", latchkey.ListOverridesRequest{Namespace: "empty"},
	); list == nil || len(list) != 0 {
		t.Errorf("a namespace without overrides lists %#v, want an empty list", list)
	}
}

// oracle finds the override for an identifier as the documentation tells it:
// by its exact text, else of those that match the one with the most literal
// characters, else of several such the one whose text sorts first.
func oracle(overrides map[string]int64, identifier string) (string, bool) {
	if _, ok := overrides[identifier]; ok {
		return identifier, true
	}
	best, found := "", false
	for _, pattern := range slices.Sorted(maps.Keys(overrides)) {
		expression := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
		literals := func(s string) int { return len([]rune(strings.ReplaceAll(s, "*", ""))) }
		if regexp.MustCompile(expression).MatchString(identifier) &&
			(!found || literals(pattern) > literals(best)) {
			best, found = pattern, true
		}
	}
	return best, found
}

func TestOverridesResolveLikeTheModel(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		space := NewID("ns")
		w.limit(w.who, ask(space, "begin", 1))
		overrides := map[string]int64{}
		text := rapid.StringMatching(`[aé*]{1,4}`)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			pattern := text.Draw(t, "pattern")
			if rapid.Bool().Draw(t, "set") {
				limit := rapid.Int64Range(0, 50).Draw(t, "limit")
				w.setOverride(override(space, pattern, limit, time.Hour))
				overrides[pattern] = limit
			} else if _, ok := overrides[pattern]; ok {
				must[latchkey.Empty](w, w.who, "ratelimit.deleteOverride",
					latchkey.DeleteOverrideRequest{Namespace: space, Identifier: pattern})
				delete(overrides, pattern)
			}
			identifier := text.Draw(t, "identifier")
			got := w.limit(w.who, asking(ask(space, identifier, 99), 0))
			want, applies := oracle(overrides, identifier)
			if !applies {
				if got.Limit != 99 || got.OverrideID != "" {
					t.Fatalf("%q is limited by %+v, want no override of %v", identifier, got,
						overrides)
				}
				continue
			}
			read := must[latchkey.Override](w, w.who, "ratelimit.getOverride",
				latchkey.GetOverrideRequest{Namespace: space, Identifier: identifier})
			if got.Limit != overrides[want] || read.Identifier != want ||
				read.OverrideID != got.OverrideID || read.Limit != got.Limit {
				t.Fatalf("%q is limited by %+v, %+v, want %q of %v", identifier, got, read, want,
					overrides)
			}
		}
	})
}
