package rbac

import (
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/wildcard"
)

// Held is the set of permissions that a key has, its own and those of its
// roles. It never changes, so any number of goroutines may share one. The zero
// value holds nothing.
type Held struct {
	names    []string // without a star: sorted and each once
	patterns []string // with a star
}

// Hold returns the set of the given permissions, which may repeat.
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
	return h
}

// set sorts the slice in place and returns it without repetitions.
func set(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// Has reports whether the permission is held by its exact name, or matched by
// a held permission in which a * stands for any run of characters. A * in name
// is just a character: docs.* is met by docs.* or *, but not by docs.read.
func (h *Held) Has(name string) bool {
	if _, found := slices.BinarySearch(h.names, name); found {
		return true
	}
	for _, p := range h.patterns {
		if wildcard.Match(p, name) {
			return true
		}
	}
	return false
}
