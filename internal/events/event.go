package events

// Verification is a verification of a key, as it is recorded.
type Verification struct {
	Key       Described // the key; asked for its names when the event is written
	Tags      *[]string // of the request, nil for none; they must not change later
	RequestID string
	At        int64  // unix ms
	Credits   int64  // that it spent
	Latency   uint32 // in µs, 0 if it wasn't measured
	Outcome   uint8  // an index of Outcomes
}

// Described is something that can name itself. Its names are fixed.
type Described interface {
	Subject() Subject
}

// Limit is a decision on a rate limit, as it is recorded.
type Limit struct {
	Workspace, Namespace, Identifier, Override string
	RequestID                                  string
	At                                         int64  // unix ms
	Latency                                    uint32 // in µs, 0 if it wasn't measured
	Limit, Remaining, Cost                     int64
	Reset                                      int64 // unix ms
	Passed                                     bool
}

// Subject is what an event is about.
type Subject struct {
	Workspace string
	Space     string // the keyspace, or the namespace of a limit
	Key       string // the key, or the identifier of a limit
	Identity  string // the id of the identity, "" for none
	External  string // the identity's id outside, "" for none
	Override  string // the override that decided a limit, "" for none
}

// Outcomes are the outcomes of verifications. Blocks have their indexes, so the order is fixed;
// new ones are added at the end.
var Outcomes = []string{
	"VALID", "RATE_LIMITED", "EXPIRED", "DISABLED", "INSUFFICIENT_PERMISSIONS", "FORBIDDEN",
	"USAGE_EXCEEDED",
}

// OutcomeNamed returns the index of an outcome. What isn't recorded has none.
func OutcomeNamed(name string) (index uint8, recorded bool) {
	for i, o := range Outcomes {
		if o == name {
			return uint8(i), true
		}
	}
	return 0, false
}

// The outcomes of limits.
const (
	denied uint8 = iota
	passed
)

// Kind is a kind of events.
type Kind uint8

// The kinds.
const (
	Verifications Kind = iota
	Limits
	kinds
)

// Step is what the rows of a block stand for.
type Step uint8

// The steps. Rows of a step other than Raw are sums: of equal subject, outcome and tags within
// an hour, a day or a month, in UTC.
const (
	Raw Step = iota
	Hour
	Day
	Month
	steps
	// Minute is a step of queries only: it is computed from single events.
	Minute
)

// tagBytes is the size of the tags.
func (v *Verification) tagBytes() (n int) {
	if v.Tags != nil {
		for _, tag := range *v.Tags {
			n += len(tag)
		}
	}
	return n
}
