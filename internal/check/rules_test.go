package check

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKnowsEveryRule(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	for tag, want := range map[string]Rules{
		"":                            {},
		"required":                    {Required: true},
		"null,min=0":                  {Null: true, Min: n(0)},
		"min=-1,max=4102444800000":    {Min: n(-1), Max: n(4102444800000)},
		"pattern=externalId":          {Pattern: "externalId", Regexp: `^[a-zA-Z0-9_.-]+$`},
		"enum=daily|monthly":          {Enum: []string{"daily", "monthly"}},
		"default=daily":               {Default: "daily"},
		"max=9,items.min=1":           {Max: n(9), Items: &Rules{Min: n(1)}},
		"items.max=2,items.enum=a|bc": {Items: &Rules{Max: n(2), Enum: []string{"a", "bc"}}},
		"items.pattern=slug": {
			Items: &Rules{Pattern: "slug", Regexp: `^[a-zA-Z0-9_:\-\.\*]+$`},
		},
	} {
		got, err := Parse(tag)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", tag, err, diff)
		}
	}
}

func TestParseRejectsBadTags(t *testing.T) {
	for _, tag := range []string{
		"requird", "required=true", "null=", "min", "min=", "min=x", "max=1.5",
		"max=9223372036854775808",
		"pattern=ids",
		"enum=", "default=", "loose", ",", "required,", "min=1, max=2", "min=1,min=2",
		"required,required", "min=2,max=1",
		"items.required", "items.null=1", "items.default=x", "items.items.min=1",
		"items.min=2,items.max=1", "items.=1",
	} {
		if rules, err := Parse(tag); err == nil {
			t.Errorf("%q: got %+v, want an error", tag, rules)
		}
	}
}

func TestPatternsMatchLikeTheirRegexps(t *testing.T) {
	for name, p := range Patterns {
		expression := regexp.MustCompile(strings.TrimSuffix(p.Regexp, "$") + `\z`)
		tries := []string{"", "a\n", "\na", "é", "a b", "a_b", "ab.", strings.Repeat("z", 1000)}
		for b := range 256 {
			tries = append(tries, string([]byte{byte(b)}), string([]byte{'a', byte(b), '0'}))
		}
		for _, s := range tries {
			if got, want := p.Match(s), expression.MatchString(s); got != want {
				t.Errorf("%s: %q: got %v, want %v", name, s, got, want)
			}
		}
	}
}

func TestLooseReadsTheBlankField(t *testing.T) {
	type loose struct {
		_    struct{} `check:"loose"`
		Name string
	}
	type strict struct{ Name string }
	if !Loose(reflect.TypeFor[loose]()) || Loose(reflect.TypeFor[strict]()) {
		t.Error("want Loose for the tagged struct only")
	}
}
