package rbac

import (
	"slices"
	"strings"
)

// Operator is the grant that allows everything, everywhere.
const Operator = "operator"

// Grants are the permissions of a root key in its workspace. They are immutable
// and safe for concurrent use. The zero value allows nothing.
type Grants struct {
	workspaceID string
	operator    bool
	texts       []string // every grant as it was written, sorted, without duplicates
	urns        []urn    // the grants that are valid URNs of the workspace
}

// NewGrants returns the given grants for the workspace. An invalid grant allows
// nothing.
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

// Texts returns the grants as they were written, sorted, without duplicates.
func (g *Grants) Texts() []string { return slices.Clone(g.texts) }

// Has reports whether the tuple, such as api.*.create_key, is among the grants
// letter for letter: a * in either is just a character.
func (g *Grants) Has(tuple string) bool {
	_, found := slices.BinarySearch(g.texts, tuple)
	return found || g.operator
}

// HasResource reports whether a URN among the grants allows the action on the
// path, such as read_key on keyspaces/ks_1/keys/*. A * in the path asks for
// every such resource, so only a * or ** in the grant covers it. Only the
// operator is allowed an invalid path or action.
func (g *Grants) HasResource(path, action string) bool {
	asked := urn{path, action}
	return g.operator || asked.valid() && g.covers(asked)
}

// Covers reports whether the holder can give the grant to another root key,
// which must not be allowed more than the holder: the grant is among the
// holder's own, or it is a tuple for one id and the holder has the tuple for all
// ids, or it is a URN of the workspace and one URN among the holder's covers all
// of it.
func (g *Grants) Covers(grant string) bool {
	if g.Has(grant) {
		return true
	}
	part := strings.Split(grant, ".")
	if len(part) == 3 && part[1] != "" && g.Has(part[0]+".*."+part[2]) {
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
	const onStack = 128 // bytes; a longer tuple is allocated
	tuple := append(append(append(make([]byte, 0, onStack), before...), id...), after...)
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
		return u.allows(action) && pathsOverlap(u.path, path)
	})
}
