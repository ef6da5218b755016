package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// changed reports whether a field of a form differs from how it was shown, which its hidden
// field "was" says. Only such fields are sent, so that what others changed while the form was
// open stays. Without "was" all fields are changed.
func (v *visit) changed(field string) bool {
	return v.changedTo(field, v.r.PostForm[field]...)
}

// changedTo is changed for a field that has these values now.
func (v *visit) changedTo(field string, now ...string) bool {
	text := v.r.PostFormValue("was")
	was, err := url.ParseQuery(text)
	return text == "" || err != nil || plainText(was[field]) != plainText(now)
}

// plainText returns values in the form in which they can be compared: browsers send other ends
// of lines than they got.
func plainText(values []string) string {
	text := strings.Join(slices.Sorted(slices.Values(values)), "\n")
	return strings.TrimSpace(unixLines(text))
}

// unixLines returns a text whose lines end as those of the service do.
func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// yes is the value of a checkbox, "" if it isn't checked.
func yes(checked bool) string {
	if checked {
		return "yes"
	}
	return ""
}

// digest stands for a long text in "was".
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
