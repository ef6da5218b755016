package latchkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is an instant that travels as unix milliseconds. The zero value means
// "none" and is left out of requests and answers.
type Time struct{ time.Time }

// At returns the instant t, cut to whole milliseconds when it is sent.
func At(t time.Time) Time { return Time{t} }

// AtMilli returns the instant ms milliseconds after the unix epoch.
func AtMilli(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// MarshalJSON writes unix milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, t.UnixMilli(), 10), nil
}

// UnmarshalJSON reads unix milliseconds, a whole number.
func (t *Time) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("not a time in unix milliseconds: %s", data)
	}
	*t = AtMilli(ms)
	return nil
}

// Duration is a span that travels as whole milliseconds and holds every int64
// of them, which time.Duration (292 years) does not. The zero value is no time.
type Duration struct{ ms int64 }

// Per returns d cut to whole milliseconds, as in "100 requests per minute":
// Limit: 100, Duration: latchkey.Per(time.Minute).
func Per(d time.Duration) Duration { return Duration{d.Milliseconds()} }

// PerMilli returns a span of ms milliseconds.
func PerMilli(ms int64) Duration { return Duration{ms} }

// Milliseconds returns the span in milliseconds.
func (d Duration) Milliseconds() int64 { return d.ms }

// Duration returns the span as the standard library's type, at most 292 years.
func (d Duration) Duration() time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-most, min(d.ms, most))) * time.Millisecond
}

// String returns the span as time.Duration writes it, for example "1m0s".
func (d Duration) String() string { return d.Duration().String() }

// MarshalJSON writes milliseconds.
func (d Duration) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, d.ms, 10), nil }

// UnmarshalJSON reads milliseconds, a whole number.
func (d *Duration) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("not a duration in milliseconds: %s", data)
	}
	d.ms = ms
	return nil
}

// Meta is free-form data attached to a key or an identity: the text of one
// JSON object, such as `{"plan":"pro"}`. It is a string because it is shared by
// every reader of a cached key and must not change under them. The zero value
// is no metadata. Numbers keep all their digits.
type Meta string

// MetaOf encodes v, a struct or a map, as metadata.
func MetaOf(v any) (Meta, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("latchkey: metadata: %w", err)
	}
	var m Meta
	if err := m.UnmarshalJSON(text); err != nil {
		return "", err
	}
	return m, nil
}

// Decode stores the metadata in v, a pointer to a struct or map. Absent
// metadata leaves v as it is.
func (m Meta) Decode(v any) error {
	if m == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(m), v); err != nil {
		return fmt.Errorf("latchkey: metadata: %w", err)
	}
	return nil
}

// MarshalJSON writes the object; absent metadata is an empty object.
func (m Meta) MarshalJSON() ([]byte, error) {
	if m == "" {
		return []byte("{}"), nil
	}
	return []byte(m), nil
}

// UnmarshalJSON reads one JSON object and keeps it in its shortest form, its
// names sorted and its text valid UTF-8; of a repeated name the last one counts.
func (m *Meta) UnmarshalJSON(data []byte) error {
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil || object == nil {
		return errors.New("latchkey: metadata must be a JSON object")
	}
	text, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("latchkey: metadata: %w", err)
	}
	*m = Meta(text)
	return nil
}
