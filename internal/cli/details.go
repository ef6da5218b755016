package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/latchkeyhq/latchkey"
)

// printData prints the data of a response: a line for each field, or unchanged with --json.
func (a *app) printData(data json.RawMessage) error {
	if a.JSON {
		return a.printIndented(data)
	}
	if len(data) == 0 || data[0] == '{' && len(data) == 2 {
		return nil
	}
	lines, err := describe(data, "")
	if err != nil {
		return err
	}
	return printLines(a, lines)
}

// line is a field and its value.
type line struct{ label, value string }

// printLines prints fields with their values below one another.
func printLines(a *app, lines []line) error {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.label))
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%-*s  %s\n", width, l.label, clean([]string{l.value})[0])
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// describe returns the fields of a JSON value in their order, those of objects in it with the
// name of the object before theirs.
func describe(data json.RawMessage, name string) ([]line, error) {
	switch data[0] {
	case '{':
		if name == "meta" {
			break
		}
		return describeObject(data, name)
	case '[':
		return describeList(data, name)
	}
	return []line{{label(name), scalar(data, name)}}, nil
}

func describeObject(data json.RawMessage, name string) (lines []line, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	for dec.More() {
		field, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		more, err := describe(value, strings.TrimSpace(name+" "+fmt.Sprint(field)))
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return lines, nil
}

// describeList returns one line for a list of texts, and for a list of objects one for each.
func describeList(data json.RawMessage, name string) (lines []line, err error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return nil, err
	}
	if len(items) == 0 || items[0][0] != '{' {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = scalar(item, name)
		}
		return []line{{label(name), strings.Join(texts, ", ")}}, nil
	}
	for _, item := range items {
		fields, err := describe(item, "")
		if err != nil {
			return nil, err
		}
		fields = slices.DeleteFunc(fields, func(l line) bool { return l.label == "Id" })
		texts := make([]string, len(fields))
		for i, f := range fields {
			texts[i] = strings.ToLower(f.label) + " " + f.value
		}
		lines = append(lines, line{label(name), strings.Join(texts, ", ")})
	}
	return lines, nil
}

// times are the fields that are unix milliseconds.
var times = []string{"createdAt", "updatedAt", "lastUsedAt", "endedAt", "expires", "time", "reset"}

// scalar writes a value for people.
func scalar(data json.RawMessage, name string) string {
	name = name[strings.LastIndex(name, " ")+1:]
	var at latchkey.Time
	var text string
	switch {
	case slices.Contains(times, name) && json.Unmarshal(data, &at) == nil:
		return fmt.Sprintf("%s (%s)", date(at), ago(at))
	case name == "duration":
		var d latchkey.Duration
		if json.Unmarshal(data, &d) == nil {
			n, unit := inUnit(d)
			return strconv.FormatInt(n, 10) + unit
		}
	case string(data) == "true":
		return "yes"
	case string(data) == "false":
		return "no"
	case string(data) == "null":
		return "none"
	case json.Unmarshal(data, &text) == nil:
		return text
	}
	return string(data)
}

// label writes the name of a field for people: createdAt is "Created at".
func label(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r):
			b.WriteRune(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
