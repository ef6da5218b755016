package rbac

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSyntaxErrorsHaveTheOffsetAndWhatWasExpected(t *testing.T) {
	for _, c := range []struct {
		text string
		want SyntaxError
	}{
		{"", SyntaxError{0, `expected a permission or "(", found the end`}},
		{" \t\r\n", SyntaxError{4, `expected a permission or "(", found the end`}},
		{"a AND", SyntaxError{5, `expected a permission or "(", found the end`}},
		{"a AND ", SyntaxError{6, `expected a permission or "(", found the end`}},
		{"or", SyntaxError{0, `expected a permission or "(", found "or"`}},
		{"a AND Or b", SyntaxError{6, `expected a permission or "(", found "Or"`}},
		{"a b", SyntaxError{2, `expected AND, OR or the end, found "b"`}},
		{"a)", SyntaxError{1, `expected AND, OR or the end, found ")"`}},
		{"(a", SyntaxError{2, `expected AND, OR or ")", found the end`}},
		{"(a b)", SyntaxError{3, `expected AND, OR or ")", found "b"`}},
		{"()", SyntaxError{1, `expected a permission or "(", found ")"`}},
		{"a, b", SyntaxError{1, `expected AND, OR or the end, found ","`}},
		{"a && b", SyntaxError{2, `expected AND, OR or the end, found "&"`}},
		{`"a"`, SyntaxError{0, `expected a permission or "(", found "\""`}},
		{"a OR é", SyntaxError{5, `expected a permission or "(", found "é"`}},
		{"a\u00a0b", SyntaxError{1, `expected AND, OR or the end, found "\u00a0"`}},
		{"a \xff", SyntaxError{2, `expected AND, OR or the end, found "\xff"`}},
		{"a\vOR b", SyntaxError{1, `expected AND, OR or the end, found "\v"`}},
		{"a " + strings.Repeat("b", 50),
			SyntaxError{2, `expected AND, OR or the end, found "` + strings.Repeat("b", 40) + `"`}},
	} {
		_, err := Parse(c.text)
		var got *SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("Parse(%q): error %v, want a *SyntaxError", c.text, err)
		} else if diff := cmp.Diff(c.want, *got); diff != "" {
			t.Errorf("Parse(%q): -want +got\n%s", c.text, diff)
		}
	}
}

func TestSyntaxErrorIsOneLine(t *testing.T) {
	_, err := Parse("a\nb")
	const want = `permission query, at offset 2: expected AND, OR or the end, found "b"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEveryNestingThatFitsARequestIsParsed(t *testing.T) {
	if _, err := Parse(nested(499)); err != nil {
		t.Errorf("999 characters are rejected: %v", err)
	}
}

func TestGroupsSideBySideAreNotNested(t *testing.T) {
	if _, err := Parse(strings.Repeat("(a)OR", 2*maxDepth) + "(a)"); err != nil {
		t.Error(err)
	}
}

func TestDeepNestingIsRejected(t *testing.T) {
	for _, text := range []string{nested(501), nested(1000), strings.Repeat("(", 1_000_000)} {
		_, err := Parse(text)
		want := &SyntaxError{500, `expected at most 500 nested parentheses, found "("`}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%d characters: -want +got\n%s", len(text), diff)
		}
	}
}

func nested(depth int) string {
	return strings.Repeat("(", depth) + "a" + strings.Repeat(")", depth)
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "a", "a AND b or c", "(a)and(b)", "((docs.*))\tOR\r\nx/y:z-1_2", "a (",
		"android OR and", "é", "a && b", "a\xff",
	} {
		f.Add(text)
	}
	everything, nothing := Hold([]string{"*"}), Hold(nil)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "(") > maxDepth {
			t.Skip("TestDeepNestingIsRejected covers deep nesting")
		}
		q, err := Parse(text)
		if want := inLanguage(text); (err == nil) != want {
			t.Fatalf("Parse(%q): %v, but in the language: %v", text, err, want)
		}
		if err != nil {
			checkSyntaxError(t, text, err)
		} else if !q.Allowed(everything) || q.Allowed(nothing) {
			t.Fatalf("%q has no NOT: * must satisfy it and no permission must not", text)
		}
	})
}

func checkSyntaxError(t *testing.T, text string, err error) {
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Msg == "" {
		t.Fatalf("Parse(%q): got %#v, want a *SyntaxError with a message", text, err)
	}
	if syntax.Offset < 0 || syntax.Offset > len(text) {
		t.Fatalf("Parse(%q): offset %d is outside the text", text, syntax.Offset)
	}
}

var (
	words = regexp.MustCompile(`[A-Za-z0-9._:*/-]+|[ \t\r\n]+|(?s:.)`)
	name  = regexp.MustCompile(`^[A-Za-z0-9._:*/-]+$`)
)

// inLanguage decides by rewriting: a name in parentheses becomes a name, and so do
// two names with a keyword between them. A text that shrinks to one name is a query.
func inLanguage(text string) bool {
	form := words.ReplaceAllStringFunc(text, func(w string) string {
		switch {
		case strings.Trim(w, " \t\r\n") == "":
			return ""
		case strings.EqualFold(w, "AND"), strings.EqualFold(w, "OR"):
			return "&"
		case w == "(", w == ")":
			return w
		case name.MatchString(w):
			return "n"
		}
		return "?"
	})
	for before := ""; before != form; {
		before = form
		form = strings.ReplaceAll(strings.ReplaceAll(form, "n&n", "n"), "(n)", "n")
	}
	return form == "n"
}
