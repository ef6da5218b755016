package rbac

import (
	"slices"
	"strings"
)

// Operator is the grant that allows everything, everywhere.
const Operator = "operator"

// Grants is what a root key may do in its workspace. It never changes, so any
// number of goroutines may share one. The zero value allows nothing.
type Grants struct {
	workspaceID string
	operator    bool
	texts       []string // every grant as it was written: sorted and each once
	urns        []urn    // those that are valid URNs of the workspace
}

// NewGrants returns what the given grants allow in the workspace. Text that
// says nothing valid allows nothing.
func NewGrants(workspaceID string, grants []string) *Grants {
	g := &Grants{workspaceID: workspaceID, texts: set(slices.Clone(grants))}
	_, g.operator = slices.BinarySearch(g.texts, Operator)
	for _, text := range g.texts {
		if u, ok := parseURN(text, workspaceID); ok {
			g.urns = append(g.urns, u)
		}
	}
	return g
}

// Texts returns the grants as they were written, sorted and each once.
func (g *Grants) Texts() []string { return slices.Clone(g.texts) }

// Has reports whether the tuple, such as api.*.create_key, is among the grants
// letter for letter: a * in either is just a character.
func (g *Grants) Has(tuple string) bool {
	_, found := slices.BinarySearch(g.texts, tuple)
	return found || g.operator
}

// HasResource reports whether a URN among the grants allows the action on the
// path, such as read_key on keyspaces/ks_1/keys/*. A * in the path asks for
// every such resource, so only a * or ** in the grant meets it. An invalid path
// or action is allowed to the operator only.
func (g *Grants) HasResource(path, action string) bool {
	asked := urn{path, action}
	return g.operator || asked.valid() && g.covers(asked)
}

// Covers reports whether the holder may hand on the grant, which must not let
// anyone do more than the holder: it is among the grants itself, or it is a URN
// of the workspace and one URN among the grants covers the whole of it.
func (g *Grants) Covers(grant string) bool {
	if g.Has(grant) {
		return true
	}
	asked, ok := parseURN(grant, g.workspaceID)
	return ok && g.covers(asked)
}

func (g *Grants) covers(asked urn) bool {
	return slices.ContainsFunc(g.urns, func(u urn) bool { return u.covers(asked) })
}

// HasFor is Has of the tuple before + id + after, without joining them.
func (g *Grants) HasFor(before, id, after string) bool {
	const usual = 128 // bytes, above which the tuple is allocated
	tuple := append(append(append(make([]byte, 0, usual), before...), id...), after...)
	low, high := 0, len(g.texts)
	for low < high { // slices.BinarySearchFunc would move the tuple to the heap
		middle := (low + high) / 2
		if g.texts[middle] < string(tuple) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return g.operator || low < len(g.texts) && g.texts[low] == string(tuple)
}

// HasForSome reports whether a tuple of this form is among the grants for any id.
func (g *Grants) HasForSome(before, after string) bool {
	return g.operator || slices.ContainsFunc(g.texts, func(text string) bool {
		id, found := strings.CutPrefix(text, before)
		if found {
			id, found = strings.CutSuffix(id, after)
		}
		return found && id != ""
	})
}

// HasForSomeResource reports whether a URN among the grants allows the action on
// any path of this form, in which a segment in braces is any id.
func (g *Grants) HasForSomeResource(path, action string) bool {
	return g.operator || slices.ContainsFunc(g.urns, func(u urn) bool {
		return (u.action == "*" || u.action == action) && pathsMeet(u.path, path)
	})
}
