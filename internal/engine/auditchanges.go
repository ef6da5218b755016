package engine

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// The bounds of the changes of a record: how many fields, and the bytes of each value. A
// request can write thousands of records, and the log keeps them for long.
const (
	maxChangedFields = 32
	maxChangedValue  = 512
)

// changesText returns the fields that differ between two forms of a thing, as the column
// changes has them. The forms are structs with JSON tags and without secrets, or nil. Of metadata
// it says only that it differs, because the log outlives what is erased. Of lists it has
// the members that were removed and those that were added.
func changesText(before, after any) string {
	had, has := fieldsOf(before), fieldsOf(after)
	names := map[string]json.RawMessage{}
	maps.Copy(names, had)
	maps.Copy(names, has)
	var changes []latchkey.AuditChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		change := latchkey.AuditChange{Field: name}
		switch {
		case bytes.Equal(had[name], has[name]), name == "updatedAt":
			continue
		case name != "meta":
			removed, added := differences(had[name], has[name])
			change.Before, change.After = changedValue(removed), changedValue(added)
		}
		changes = append(changes, change)
	}
	if len(changes) == 0 {
		return ""
	}
	return string(mustJSON(changes[:min(len(changes), maxChangedFields)]))
}

// fieldsOf returns the fields of a struct as JSON.
func fieldsOf(form any) (fields map[string]json.RawMessage) {
	if err := json.Unmarshal(mustJSON(form), &fields); err != nil {
		panic(err) // forms are structs
	}
	return fields
}

// differences returns two values without the texts that are in both, if they are lists.
func differences(before, after json.RawMessage) (removed, added json.RawMessage) {
	var had, has []string
	if notList(before, &had) || notList(after, &has) {
		return before, after
	}
	return missingFrom(has, had), missingFrom(had, has)
}

// notList reports whether a value is there and is no list of texts.
func notList(value json.RawMessage, list *[]string) bool {
	return len(value) > 0 && json.Unmarshal(value, list) != nil
}

// missingFrom returns those of the texts that are not among others, nothing for none.
func missingFrom(others, texts []string) json.RawMessage {
	among := make(map[string]bool, len(others))
	for _, text := range others {
		among[text] = true
	}
	left := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return among[text] })
	if len(left) == 0 {
		return nil
	}
	return mustJSON(left)
}

// changedValue returns a JSON value for people: text as it is, and nothing for null.
func changedValue(value json.RawMessage) string {
	var text *string
	if len(value) > 0 && json.Unmarshal(value, &text) != nil {
		return cut(string(value))
	}
	if text == nil {
		return ""
	}
	return cut(*text)
}

// cut is clip for a value, and shows that it was cut.
func cut(value string) string {
	if len(value) <= maxChangedValue {
		return value
	}
	return clip(value, maxChangedValue-len("…")) + "…"
}

// mustJSON encodes a value that can always be encoded.
func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
