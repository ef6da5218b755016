package rbac

import (
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/wildcard"
)

// Held is the set of permissions that a key has, its own and those of its
// roles. It is immutable and safe for concurrent use. The zero value is empty.
type Held struct {
	names    []string // without a *: sorted, no duplicates
	patterns []string // with a *
}

// MaxPatterns is how many permissions with a * a set has at most. They are asked one by
// one, so this bounds the time of a check.
const MaxPatterns = 1000

// Hold returns the set of the given permissions. Duplicates are ignored, and so are those
// with a * after the first MaxPatterns in the order of their texts: they grant nothing.
func Hold(permissions []string) *Held {
	h := new(Held)
	for _, p := range permissions {
		if strings.Contains(p, "*") {
			h.patterns = append(h.patterns, p)
		} else {
			h.names = append(h.names, p)
		}
	}
	h.names, h.patterns = set(h.names), set(h.patterns)
	h.patterns = h.patterns[:min(len(h.patterns), MaxPatterns)]
	return h
}

// set sorts the slice in place and returns it without duplicates.
func set(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// Has reports whether the set has the permission by its exact name, or has a
// permission that matches it, in which a * matches any run of characters. A * in
// name is just a character: docs.* or * satisfies docs.*, but docs.read doesn't.
func (h *Held) Has(name string) bool {
	_, found := h.Match(name)
	return found
}

// Match returns the permission of the set by which it has a permission, and whether there
// is one: the exact name or, of those that match it, the one that sorts first.
func (h *Held) Match(name string) (permission string, found bool) {
	if _, found := slices.BinarySearch(h.names, name); found {
		return name, true
	}
	for _, p := range h.patterns {
		if wildcard.Match(p, name) {
			return p, true
		}
	}
	return "", false
}
