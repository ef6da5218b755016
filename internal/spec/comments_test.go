package spec

import (
	"go/doc"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommentsBecomeTextsOfTheAPI(t *testing.T) {
	names := map[string]string{"APIID": "apiId", "Duration": "duration", "HasMore": "hasMore"}
	for _, c := range []struct{ name, comment, want string }{
		{"APIID", "APIID is the API to read.", "The API to read."},
		{"Roles", "Roles are names of roles that exist.", "Names of roles that exist."},
		{"Valid", "Valid reports whether the key is valid.", "Whether the key is valid."},
		{"Decrypt", "Decrypt adds the plaintext.", "Adds the plaintext."},
		{"Limit", "Limit, together with Duration, is a limit.",
			"Limit, together with `duration`, is a limit."},
		{"Cursor", "Cursor is where the next page begins; present only if HasMore is true.",
			"Where the next page begins; present only if `hasMore` is true."},
		{"Name", "Name is for people. Duration is not.", "For people. Duration is not."},
		{"Event", "Event is the kind,\nfor example \"key.create\".",
			"The kind, for example `key.create`."},
	} {
		got := markdown(&doc.Package{}, inJSON(withoutName(c.name, c.comment), names))
		if got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.comment, got, c.want)
		}
	}
}

func TestMarkdownKeepsTheFormOfComments(t *testing.T) {
	comment := `It does this.
And [io.EOF].

	an example

It can be:
  - one a_b
  - two
`
	want := "It does this. And `io.EOF`.\n\n```\nan example\n```\n\nIt can be:\n\n- one " +
		"`a_b`\n- two"
	if diff := cmp.Diff(want, markdown(&doc.Package{}, comment)); diff != "" {
		t.Error(diff)
	}
}

func TestCodeIsMarkedInProse(t *testing.T) {
	for text, want := range map[string]string{
		"see keys.verifyKey.":                     "see `keys.verifyKey`.",
		"api.*.read_key or api.<apiId>.read_key.": "`api.*.read_key` or `api.<apiId>.read_key`.",
		"on a/<id>/b/<id>; then":                  "on `a/<id>/b/<id>`; then",
		"github.com/some/key-form is":             "`github.com/some/key-form` is",
		"a * matches any":                         "a `*` matches any",
		"VALID and NOT_FOUND, AND too":            "`VALID` and `NOT_FOUND`, AND too",
		"an end. A start":                         "an end. A start",
	} {
		if got := code(text); got != want {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestSummaryIsTheFirstSentence(t *testing.T) {
	for text, want := range map[string][2]string{
		"Makes a key. It is new. Really.":  {"Makes a key", "It is new. Really."},
		"Makes a key.\n\nIt is new.":       {"Makes a key", "It is new."},
		"Reads keys.list and more":         {"Reads keys.list and more", ""},
		"Waits 1.5 s. `keys.getKey` waits": {"Waits 1.5 s", "`keys.getKey` waits"},
	} {
		first, rest := sentence(text)
		if got := [2]string{first, rest}; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
