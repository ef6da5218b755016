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

// Time is a time.Time that travels as unix milliseconds. The zero value means "no
// time" and is left out of requests and responses.
type Time struct{ time.Time }

// At returns t as a Time. It is truncated to milliseconds when it is sent.
func At(t time.Time) Time { return Time{t} }

// AtMilli returns the time ms milliseconds after the Unix epoch, in UTC.
func AtMilli(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// MarshalJSON encodes unix milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, t.UnixMilli(), 10), nil
}

// UnmarshalJSON decodes unix milliseconds, a whole number.
func (t *Time) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("not a time in unix milliseconds: %s", data)
	}
	*t = AtMilli(ms)
	return nil
}

// Duration is a duration that travels as milliseconds. It holds any int64 of
// them, which a time.Duration (at most 292 years) does not. [Per] makes one.
type Duration struct{ ms int64 }

// Per returns d as a Duration, truncated to milliseconds. A limit of 100 requests
// per minute is Limit: 100, Duration: latchkey.Per(time.Minute).
func Per(d time.Duration) Duration { return Duration{d.Milliseconds()} }

// PerMilli returns a Duration of ms milliseconds.
func PerMilli(ms int64) Duration { return Duration{ms} }

// Milliseconds returns the duration in milliseconds.
func (d Duration) Milliseconds() int64 { return d.ms }

// Duration returns the duration as a time.Duration, at most 292 years.
func (d Duration) Duration() time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-most, min(d.ms, most))) * time.Millisecond
}

// Equal reports whether two durations are the same. Package cmp calls it.
func (d Duration) Equal(e Duration) bool { return d == e }

// String returns the duration in the format of time.Duration, for example "1m0s".
func (d Duration) String() string { return d.Duration().String() }

// MarshalJSON encodes milliseconds.
func (d Duration) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, d.ms, 10), nil }

// UnmarshalJSON decodes milliseconds, a whole number.
func (d *Duration) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("not a duration in milliseconds: %s", data)
	}
	d.ms = ms
	return nil
}

// Meta is metadata of a key or an identity: the text of one JSON object, such as
// `{"plan":"pro"}`. [MetaOf] makes one and [Meta.Decode] reads one. The zero value
// means no metadata. It is a string, and not a map, because all readers of a
// cached key share it, and because numbers keep all their digits.
type Meta string

// MetaOf encodes v, a struct or a map, as metadata. It is an error if v does not
// encode as a JSON object.
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

// Decode decodes the metadata into v, a pointer to a struct or map. Without
// metadata it leaves v as it is.
func (m Meta) Decode(v any) error {
	if m == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(m), v); err != nil {
		return fmt.Errorf("latchkey: metadata: %w", err)
	}
	return nil
}

// MarshalJSON returns the object, or an empty one without metadata.
func (m Meta) MarshalJSON() ([]byte, error) {
	if m == "" {
		return []byte("{}"), nil
	}
	return []byte(m), nil
}

// UnmarshalJSON takes one JSON object in a normal form: without white space, with
// its names sorted and invalid UTF-8 replaced. Of a repeated name the last counts.
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
