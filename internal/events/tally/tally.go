// Package tally adds up events and lists them, directly from their blocks. Sums are taken from the
// longest steps that fit the time, so a year costs little more than a day.
package tally

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// Scope is what the caller can see.
type Scope struct {
	Workspace string
	// Spaces are the keyspaces, or the namespaces, that can be seen; nil is all.
	Spaces []string
}

// Filter selects events. Empty fields select all.
type Filter struct {
	Key, Identity, External, Tag, Outcome string
}

// Dimension is what events can be grouped by.
type Dimension uint8

// The dimensions.
const (
	BySpace Dimension = iota // keyspaces, or namespaces
	ByKey                    // keys, or identifiers
	ByIdentity
	ByExternal
	// ByTag has an event in the groups of all its tags, and one without tags in the group "".
	ByTag
	ByOutcome
)

// The outcomes of decisions on limits.
const (
	Denied = "DENIED"
	Passed = "PASSED"
)

// Outcomes are the outcomes of a kind of events, in the order of their numbers in blocks.
func Outcomes(kind events.Kind) []string {
	if kind == events.Limits {
		return []string{Denied, Passed}
	}
	return events.Outcomes
}

var (
	// ErrTooManyGroups is that the events have more groups than can be added up, or longer labels.
	ErrTooManyGroups = errors.New("too many groups")
	// ErrUnavailable is that the events can't be read now.
	ErrUnavailable = events.ErrUnavailable
)

// The bounds of the groups of a question, and so of its memory.
const (
	MaxGroups     = 500_000
	MaxLabelBytes = 64 << 20 // of all different labels together
)

// OldError is that a time isn't kept any more.
type OldError struct {
	// Step is what is needed for the beginning of the time, and Kept how long it is kept.
	Step events.Step
	Kept time.Duration
}

// Error returns a message.
func (e *OldError) Error() string {
	return fmt.Sprintf("rows of step %d are kept for %v", e.Step, e.Kept)
}

// scope decides which subjects count.
type scope struct {
	Filter
	workspace string
	spaces    map[string]bool // nil for all
}

func newScope(s Scope, f Filter) *scope {
	sc := &scope{Filter: f, workspace: s.Workspace}
	if s.Spaces != nil {
		sc.spaces = make(map[string]bool, len(s.Spaces))
		for _, space := range s.Spaces {
			sc.spaces[space] = true
		}
	}
	return sc
}

// sees reports whether events of a subject count.
func (sc *scope) sees(s *events.Subject) bool {
	matches := func(wanted, is string) bool { return wanted == "" || wanted == is }
	return s.Workspace == sc.workspace && (sc.spaces == nil || sc.spaces[s.Space]) &&
		matches(sc.Key, s.Key) && matches(sc.Identity, s.Identity) &&
		matches(sc.External, s.External)
}

// view is what of a block counts.
type view struct {
	subjects []bool
	tagSets  []bool // nil for all
	outcomes []bool // nil for all
}

func (sc *scope) viewOf(kind events.Kind, b *events.Block) view {
	v := view{subjects: make([]bool, len(b.Subjects))}
	for i := range b.Subjects {
		v.subjects[i] = sc.sees(&b.Subjects[i])
	}
	if sc.Tag != "" {
		v.tagSets = make([]bool, len(b.TagSets))
		for i, set := range b.TagSets {
			v.tagSets[i] = slices.Contains(set, sc.Tag)
		}
	}
	if sc.Outcome != "" {
		v.outcomes = make([]bool, 256)
		for i, name := range Outcomes(kind) {
			v.outcomes[i] = name == sc.Outcome
		}
	}
	return v
}

func (v *view) has(b *events.Block, row int) bool {
	return v.subjects[b.Subject[row]] && (v.tagSets == nil || v.tagSets[b.Tags[row]]) &&
		(v.outcomes == nil || v.outcomes[b.Outcome[row]])
}

// read runs f on a snapshot that has the events that are recorded so far.
func read(ctx context.Context, log *events.Log, f func(*events.Snapshot) error) error {
	if err := log.Flush(ctx); err != nil {
		return err
	}
	snapshot, err := log.Snapshot(ctx)
	if err == nil {
		err = f(snapshot)
		_ = snapshot.Close() // it only reads
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // whatever the driver made of it
	}
	return err
}
