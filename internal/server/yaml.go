package server

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// toYAML converts valid JSON to YAML in block style, with the members in the same order.
// Strings stay in the quotes of JSON, which YAML has too.
func toYAML(text []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	y := yamlWriter{in: d}
	y.value(0)
	return y.out.Bytes()
}

type yamlWriter struct {
	in  *json.Decoder
	out bytes.Buffer
}

// plain matches strings that mean themselves in YAML without quotes.
var plain = regexp.MustCompile(`^[A-Za-z$/][\w$/.-]*$`)

// value writes the next value of the input, behind what introduces it. Its own lines are
// indented by depth.
func (y *yamlWriter) value(depth int) {
	switch token, _ := y.in.Token(); token {
	case json.Delim('{'):
		y.block(depth, "{}", func() {
			name, _ := y.in.Token()
			y.out.WriteString(quoted(name.(string)) + ":")
		})
	case json.Delim('['):
		y.block(depth, "[]", func() { y.out.WriteString("-") })
	default:
		y.scalar(token)
	}
}

// block writes the values of an object or a list, each behind what introduce writes.
func (y *yamlWriter) block(depth int, empty string, introduce func()) {
	if !y.in.More() {
		y.out.WriteString(" " + empty + "\n")
	}
	for first := true; y.in.More(); first = false {
		if first && y.out.Len() > 0 {
			y.out.WriteByte('\n')
		}
		y.out.WriteString(strings.Repeat("  ", depth))
		introduce()
		y.value(depth + 1)
	}
	_, _ = y.in.Token() // the end of the object or list
}

// scalar writes a string, number, boolean or null.
func (y *yamlWriter) scalar(token json.Token) {
	y.out.WriteByte(' ')
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(token) // it came from JSON
	_, _ = io.Copy(&y.out, &text)
}

// quoted returns the name of a member, in quotes where YAML needs them.
func quoted(name string) string {
	if plain.MatchString(name) {
		switch strings.ToLower(name) {
		case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		default:
			return name
		}
	}
	text, _ := json.Marshal(name) // a string
	return string(text)
}
