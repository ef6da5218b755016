package period

import (
	"fmt"
	"regexp"
	"time"
)

// An Error says which part of a period is wrong, and what to do.
type Error struct {
	Field   string // every, timeZone or anchor
	Message string
	Fix     string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// New returns the period that begins every hour, day, week or month in a time
// zone. The zone is a name of the IANA database; "" is UTC. The anchor is what
// Period.Anchor says, and 0 for periods that have none. Every error is an
// *Error.
func New(every Every, zone string, anchor int) (Period, error) {
	most, known := anchors[every]
	if !known {
		return Period{}, &Error{
			Field:   "every",
			Message: fmt.Sprintf("%.32q is not a period", every),
			Fix:     "Use hour, day, week or month.",
		}
	}
	if anchor < 0 || anchor > most {
		return Period{}, anchorError(every, most)
	}
	location, err := Zone(zone)
	if err != nil {
		return Period{}, err
	}
	return Period{Every: every, Zone: location, Anchor: anchor}, nil
}

// anchors has the largest anchor of each length.
var anchors = map[Every]int{Never: 0, Hour: 0, Day: 0, Week: 7, Month: 31}

func anchorError(every Every, most int) *Error {
	e := &Error{
		Field:   "anchor",
		Message: "only weeks and months have an anchor",
		Fix:     "Leave anchor out.",
	}
	if most > 0 {
		e.Message = fmt.Sprintf("the anchor of a %s is a number from 1 to %d", every, most)
		e.Fix = "Send the day on which the period begins, or leave anchor out for the first."
	}
	return e
}

// zoneName is the form of the names of the IANA database. Other names that
// systems keep beside them begin with a small letter: localtime, posixrules,
// and the folder right, whose clocks count leap seconds.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`)

// Zone returns the time zone with a name of the IANA database, such as
// Europe/Berlin; "" is UTC. The zone of the machine can't be named: it would be
// another one on another node. The error is an *Error.
//
// The rules are those of the machine, or those linked into the program (import
// time/tzdata) if it has none. Zone reads a file; keep the result.
func Zone(name string) (*time.Location, error) {
	const longest = 64
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" || len(name) > longest || !zoneName.MatchString(name) {
		return nil, zoneError(name)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, zoneError(name) // its text would name the files of this machine
	}
	return location, nil
}

func zoneError(name string) *Error {
	return &Error{
		Field:   "timeZone",
		Message: fmt.Sprintf("%.64q is not a time zone", name),
		Fix:     "Use a name of the IANA time zone database, for example Europe/Berlin or UTC.",
	}
}
