package rbac

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const admin = "unkey:v1:ws_1:**#*"

func TestTuplesAreEqualOrNothing(t *testing.T) {
	g := NewGrants("ws_1", []string{
		"api.*.read_key", "api.api_1.create_key", "*", "api.*", "api.*.*", "*.*.read_api", admin,
	})
	for tuple, want := range map[string]bool{
		"api.*.read_key":       true,
		"api.api_1.create_key": true,
		"api.api_1.read_key":   false,
		"api.*.create_key":     false,
		"api.*.read_api":       false,
		"api.api_1.CREATE_KEY": false,
		"api":                  false,
		"":                     false,
		Operator:               false,
	} {
		if g.Has(tuple) != want {
			t.Errorf("Has(%q) = %v", tuple, !want)
		}
		want = want || tuple == "api.api_1.read_key" // api.*.read_key covers it
		if g.Covers(tuple) != want {
			t.Errorf("Covers(%q) = %v", tuple, !want)
		}
	}
}

func TestResourcesAreCoveredByPath(t *testing.T) {
	for _, c := range []struct {
		grant, path, action string
		want                bool
	}{
		{"keyspaces/ks_1#create_key", "keyspaces/ks_1", "create_key", true},
		{"keyspaces/ks_1#create_key", "keyspaces/ks_1", "read_key", false},
		{"keyspaces/*#create_key", "keyspaces/ks.1.2", "create_key", true},
		{"keyspaces/ks_1#create_key", "keyspaces/ks_2", "create_key", false},
		{"keyspaces/ks_1#create_key", "keyspaces/KS_1", "create_key", false},
		{"keyspaces/ks_1#create_key", "keyspaces", "create_key", false},
		{"keyspaces/ks_1#create_key", "keyspaces/ks_1/keys/k", "create_key", false},
		{"keyspaces/*#create_key", "keyspaces/ks_1", "create_key", true},
		{"keyspaces/*#create_key", "keyspaces/*", "create_key", true},
		{"keyspaces/*#create_key", "keyspaces/ks_1/keys", "create_key", false},
		{"keyspaces/*#create_key", "keyspaces/**", "create_key", false},
		{"*/*#create_key", "keyspaces/ks_1", "create_key", true},
		{"keyspaces/ks_1/keys/k#read_key", "keyspaces/ks_1/keys/*", "read_key", false},
		{"keyspaces/ks_1/keys/*#read_key", "keyspaces/ks_1/keys/*", "read_key", true},
		{"keyspaces/**#read_key", "keyspaces", "read_key", true},
		{"keyspaces/**#read_key", "keyspaces/ks_1/keys/*", "read_key", true},
		{"keyspaces/**#read_key", "keyspaces/ks_1/**", "read_key", true},
		{"keyspaces/*/**#read_key", "keyspaces/**", "read_key", false},
		{"keyspaces/**#read_key", "ratelimits/keyspaces", "read_key", false},
		{"**#read_key", "keyspaces/ks_1/keys/k", "read_key", true},
		{"**#read_key", "**", "read_key", true},
		{"**#read_key", "**", "*", false},
		{"*/**#read_key", "**", "read_key", false},
		{"**#*", "keyspaces/ks_1", "read_key", true},
		{"**#*", "**", "*", true},
		{"**#*", "keyspaces/ks_1", "*", false},
		{"**#*", "keyspaces//keys", "read_key", false},
		{"**#*", "keyspaces/ks_1#x", "read_key", false},
		{"**#*", "keyspaces/**/keys", "read_key", false},
		{"**#*", "", "read_key", false},
		{"**#*", "keyspaces/ks_1", "", false},
	} {
		g := NewGrants("ws_1", []string{"unkey:v1:ws_1:" + c.grant})
		if got := g.HasResource(c.path, c.action); got != c.want {
			t.Errorf("%s allows %s on %q: %v, want %v", c.grant, c.action, c.path, got, c.want)
		}
		if got := g.Covers("unkey:v1:ws_1:" + c.path + "#" + c.action); got != c.want {
			t.Errorf("%s covers %s#%s: %v, want %v", c.grant, c.path, c.action, got, c.want)
		}
	}
}

var invalidURNs = []string{
	"", "unkey", "unkey:v1", "unkey:v1:ws_1", "unkey:v1:ws_1:", "unkey:v1:ws_1:#",
	"unkey:v1:ws_1:a", "unkey:v1:ws_1:a#",
	"unkey:v1:ws_1:#read", "unkey:v1::**#*", "unkey:v2:ws_1:**#*", "UNKEY:v1:ws_1:**#*",
	" unkey:v1:ws_1:**#*",
	"unkey:v1:ws_2:**#*", "unkey:v1:*:**#*", "unkey:v1:ws_1:ws_1:**#*",
	"unkey:v1:ws_1:/a#read", "unkey:v1:ws_1:a/#read", "unkey:v1:ws_1:a//b#read",
	"unkey:v1:ws_1:a:b#read",
	"unkey:v1:ws_1:**/a#read", "unkey:v1:ws_1:a*#read", "unkey:v1:ws_1:***#read",
	"unkey:v1:ws_1:a/**b#read",
	"unkey:v1:ws_1:a#*", "unkey:v1:ws_1:*#*", "unkey:v1:ws_1:a/**#*", "unkey:v1:ws_1:**#**",
	"unkey:v1:ws_1:**#read*",
	"unkey:v1:ws_1:**#_read", "unkey:v1:ws_1:**#read_", "unkey:v1:ws_1:**#read key",
	"unkey:v1:ws_1:**#read\u00a0key",
	"unkey:v1:ws_1:**#a#b", "unkey:v1:ws_1:**#a:b", "unkey:v1:ws_1:**#a/b",
}

func TestInvalidURNsGrantNothing(t *testing.T) {
	all := NewGrants("ws_1", invalidURNs)
	for _, path := range []string{"a", "a/b", "*", "**"} {
		for _, action := range []string{"read", "*", "a"} {
			if all.HasResource(path, action) {
				t.Errorf("%s on %s is allowed", action, path)
			}
		}
	}
}

func TestInvalidURNsCannotBeGranted(t *testing.T) {
	g := NewGrants("ws_1", []string{admin})
	for _, text := range invalidURNs {
		if g.Covers(text) {
			t.Errorf("an administrator can grant %q", text)
		}
	}
}

func TestNoWorkspaceHasNoResources(t *testing.T) {
	if g := NewGrants("", []string{"unkey:v1::**#*"}); g.HasResource("a", "read") ||
		g.Covers("unkey:v1::a#read") {
		t.Error("a URN without a workspace grants something")
	}
}

func TestOnlyTheOperatorCanDoAndGrantEverything(t *testing.T) {
	operator := NewGrants("ws_1", []string{"api.*.read_api", Operator})
	others := NewGrants("ws_1", []string{admin, "Operator", "operator.*", "*"})
	zero := new(Grants)
	if !operator.Has("x") || !operator.HasResource("//", "") || !operator.Covers("x") ||
		!operator.Covers(Operator) {
		t.Error("the operator is denied something")
	}
	if others.Has(Operator) || others.Covers(Operator) || zero.Has("x") ||
		zero.HasResource("a", "b") || zero.Covers(admin) {
		t.Error("someone else is an operator")
	}
}

// A workspace has one project, so its id means the same as a *.
func TestTheProjectOfAWorkspaceIsEveryProject(t *testing.T) {
	const path, action = "projects/*/keyspaces/ks_1/keys/key_1", "verify"
	for grant, want := range map[string]bool{
		"projects/*/keyspaces/ks_1/keys/*#verify":      true,
		"projects/proj_1/keyspaces/ks_1/keys/*#verify": true,
		"projects/proj_1/**#verify":                    true,
		"projects/proj_2/keyspaces/ks_1/keys/*#verify": false,
		"projects/proj_1#verify":                       false,
		"projects/proj_1/keyspaces/ks_1/keys/*#read":   false,
		"keyspaces/ks_1/keys/*#verify":                 false,
	} {
		g := NewGrants("ws_1", []string{"unkey:v1:ws_1:" + grant})
		if got := g.HasResource(path, action); got != want {
			t.Errorf("%s: %v, want %v", grant, got, want)
		}
	}
	g := NewGrants("ws_1", []string{"unkey:v1:ws_1:projects/*/keyspaces/*#read"})
	if !g.Covers("unkey:v1:ws_1:projects/proj_1/keyspaces/*#read") ||
		g.Covers("unkey:v1:ws_1:projects/proj_2/**#read") {
		t.Error("covering differs from having")
	}
}

func TestNewGrantsCopiesItsArgument(t *testing.T) {
	list := []string{"b", "a"}
	g := NewGrants("ws_1", list)
	if !slices.Equal(list, []string{"b", "a"}) {
		t.Errorf("the argument is now %q", list)
	}
	if list[0] = Operator; g.Has(Operator) || !g.Has("b") {
		t.Error("a later change of the list changed the grants")
	}
}

// A grant is a set of actions on paths, and covering is set inclusion. The
// oracle enumerates these sets: all paths of up to one segment more than any
// grant has, including a segment that no grant names.
func TestCoveringIsInclusion(t *testing.T) {
	universe := paths(4)
	rapid.Check(t, func(t *rapid.T) {
		held := rapid.SliceOfN(rapid.Custom(drawURN), 1, 3).Draw(t, "held")
		asked := rapid.Custom(drawURN).Draw(t, "asked")
		texts := make([]string, len(held))
		want := false
		for i, u := range held {
			texts[i] = "unkey:v1:ws_1:" + u.path + "#" + u.action
			want = want || includes(universe, u, asked)
		}
		g := NewGrants("ws_1", texts)
		if got := g.HasResource(asked.path, asked.action); got != want {
			t.Fatalf("%q allow %v: %v, want %v", texts, asked, got, want)
		}
		if got := g.Covers("unkey:v1:ws_1:" + asked.path + "#" + asked.action); got != want {
			t.Fatalf("%q cover %v: %v, want %v", texts, asked, got, want)
		}
		if g.Covers("unkey:v1:ws_2:" + asked.path + "#" + asked.action) {
			t.Fatalf("%q cover %v in another workspace", texts, asked)
		}
	})
}

func drawURN(t *rapid.T) urn {
	if rapid.IntRange(0, 9).Draw(t, "administrator") == 0 {
		return urn{"**", "*"}
	}
	path := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 0, 3).Draw(t, "path")
	if len(path) == 0 || rapid.Bool().Draw(t, "and below") {
		path = append(path, "**")
	}
	action := rapid.SampledFrom([]string{"read_key", "write"}).Draw(t, "action")
	return urn{strings.Join(path, "/"), action}
}

// paths returns the workspace itself and all paths of at most n segments, each
// written with a / before every segment.
func paths(n int) []string {
	all := []string{""}
	for first := 0; n > 0; n-- {
		last := len(all)
		for _, p := range all[first:last] {
			all = append(all, p+"/a", p+"/b", p+"/other")
		}
		first = last
	}
	return all
}

func includes(universe []string, u, other urn) bool {
	if u.action != other.action && (u.action != "*" || other.action == "write") {
		return false // a * is no action of the newer names
	}
	outer, inner := pathPattern(u.path), pathPattern(other.path)
	return !slices.ContainsFunc(universe, func(p string) bool {
		return inner.MatchString(p) && !outer.MatchString(p)
	})
}

func pathPattern(path string) *regexp.Regexp {
	wildcards := strings.NewReplacer("/**", "(/.*)?", "/*", "/[^/]+")
	return regexp.MustCompile("^" + wildcards.Replace("/"+path) + "$")
}

var validURN = regexp.MustCompile(`^unkey:v1:ws_1:` +
	`(?:(\*\*)#(\*)|` +
	`(\*\*|(?:[^:#/*]+|\*)(?:/(?:[^:#/*]+|\*))*(?:/\*\*)?)` +
	`#([^_:#/*\pZ\t\n\v\f\r\x{85}](?:[^:#/*\pZ\t\n\v\f\r\x{85}]*[^_:#/*\pZ\t\n\v\f\r\x{85}])?))$`)

func FuzzGrants(f *testing.F) {
	for _, text := range append(
		invalidURNs, admin, Operator, "api.*.read_key", "unkey:v1:ws_1:a/*/**#read_key",
	) {
		f.Add(text)
	}
	administrator := NewGrants("ws_1", []string{admin})
	f.Fuzz(func(t *testing.T, text string) {
		g := NewGrants("ws_1", []string{text})
		if !g.Has(text) || !g.Covers(text) {
			t.Fatalf("%q does not grant itself", text)
		}
		parts := validURN.FindStringSubmatch(text)
		if got, want := administrator.Covers(text), parts != nil; got != want {
			t.Fatalf("the administrator covers %q: %v, want %v", text, got, want)
		}
		if parts != nil && !g.HasResource(parts[1]+parts[3], parts[2]+parts[4]) {
			t.Fatalf("%q does not allow its own path and action", text)
		}
		if g.Covers(admin) != (text == admin || text == Operator) {
			t.Fatalf("%q makes an administrator", text)
		}
	})
}

func TestCheckingGrantsDoesNotAllocate(t *testing.T) {
	g := NewGrants("ws_1", []string{"api.*.read_key", "unkey:v1:ws_1:keyspaces/*/keys/**#read_key"})
	n := testing.AllocsPerRun(100, func() {
		if !g.Has("api.*.read_key") || !g.HasResource("keyspaces/ks_1/keys/k_1", "read_key") {
			t.Error("denied")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHasForEqualsHasOfTheJoinedTuple(t *testing.T) {
	g := NewGrants("ws", []string{"api.a.read", "api.b.read", "api..read"})
	for id, want := range map[string]bool{
		"a": true, "b": true, "": true, "c": false, "ab": false, strings.Repeat("a", 500): false,
	} {
		if got := g.HasFor("api.", id, ".read"); got != want || got != g.Has("api."+id+".read") {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
	const id = "some_id_of_typical_length"
	if n := testing.AllocsPerRun(100, func() { g.HasFor("api.", id, ".read") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if !g.HasForSome("api.", ".read") || g.HasForSome("api.", ".write") ||
		NewGrants("ws", []string{"api..read"}).HasForSome("api.", ".read") {
		t.Error("HasForSome is not Has of some id")
	}
}
