package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are the fields an update command can set, each with how its value is
// written on the command line.
type settings map[string]func(string) (any, error)

// patch makes the fields of an update request of arguments name=value. The
// value null removes what can be removed; the service says what can't.
func (s settings) patch(arguments []string) (map[string]any, error) {
	fields := make(map[string]any, len(arguments))
	for _, argument := range arguments {
		name, text, found := strings.Cut(argument, "=")
		read, known := s[name]
		if !found || !known {
			return nil, fmt.Errorf("%q is not a setting; write name=value with one of these names: %s",
				argument, s.names())
		}
		if text == "null" {
			fields[name] = nil
			continue
		}
		value, err := read(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fields[name] = value
	}
	return fields, nil
}

func (s settings) names() string { return strings.Join(slices.Sorted(maps.Keys(s)), ", ") }

func text(value string) (any, error) { return value, nil }

func boolean(value string) (any, error) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return nil, fmt.Errorf("%q is neither true nor false", value)
	}
	return b, nil
}

func number(value string) (any, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a whole number", value)
	}
	return n, nil
}

// list reads values with commas between them; none at all is the empty list.
func list(value string) (any, error) {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }), nil
}

// instant reads a time, such as 2027-01-31T00:00:00Z, as unix milliseconds.
func instant(value string) (any, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time like 2027-01-31T00:00:00Z", value)
	}
	return t.UnixMilli(), nil
}
