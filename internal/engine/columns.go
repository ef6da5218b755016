package engine

import (
	"database/sql"

	"github.com/latchkeyhq/latchkey"
)

// orElse returns the value of a column, or def where it is NULL.
func orElse(n sql.NullInt64, def int64) int64 {
	if n.Valid {
		return n.Int64
	}
	return def
}

// nullable returns the column of an optional value.
func nullable(o latchkey.Opt[int64]) sql.NullInt64 {
	v, ok := o.Get()
	return sql.NullInt64{Int64: v, Valid: ok}
}

// nullableTime returns the column of an optional time. The zero time is NULL.
func nullableTime(t latchkey.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

// timeOf returns the time of a column in which 0 means none.
func timeOf(ms int64) latchkey.Time {
	if ms == 0 {
		return latchkey.Time{}
	}
	return latchkey.AtMilli(ms)
}

// metaText returns the stored form of metadata: its shortest JSON, or "" for none.
// Metadata of more than 1 MiB is an error.
func metaText(m latchkey.Meta) (string, error) {
	const most = 1 << 20
	if m == "" {
		return "", nil
	}
	// In-process callers can pass text that was never decoded.
	if err := m.UnmarshalJSON([]byte(m)); err != nil {
		return "", invalid(latchkey.Fault{
			Location: "/properties/meta/type", Message: "meta must be a JSON object",
		})
	}
	switch {
	case m == "{}":
		return "", nil
	case len(m) > most:
		return "", invalid(latchkey.Fault{
			Location: "/properties/meta", Message: "meta is larger than 1,048,576 bytes",
			Fix: "Keep large data elsewhere and refer to it in meta.",
		})
	}
	return string(m), nil
}
