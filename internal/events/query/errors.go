package query

import "fmt"

// Reason says why a query was refused.
type Reason uint8

// The reasons.
const (
	// Invalid is a query that isn't understood.
	Invalid Reason = iota
	// NotSelect is a statement of another kind.
	NotSelect
	// UnknownTable is a table that can't be read.
	UnknownTable
	// UnknownFunction is a function that can't be called.
	UnknownFunction
	// TooOld is a time that is no longer kept.
	TooOld
	// TooSlow is a query that took too long.
	TooSlow
	// TooLarge is a query whose result or memory is too large.
	TooLarge
	// TooManyRows is a result with too many rows.
	TooManyRows
)

// Error is a refused query.
type Error struct {
	Reason  Reason
	Message string // a sentence without its period
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func refuse(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error { return refuse(Invalid, format, args...) }

// unsupported is the refusal of a construct that ClickHouse has.
func unsupported(what string) error { return invalid("%s isn't supported", what) }
