package ratelimit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/wildcard"
)

// Override replaces the limit and the duration that requests ask for, for the
// identifiers that its Pattern covers: the one that equals it and, if it holds a
// `*`, all that it matches, where `*` stands for any run of characters.
type Override struct {
	ID       string
	Pattern  string
	Limit    int64
	Duration int64 // in milliseconds
	// Algorithm is the name of the algorithm that replaces the request's, "" for none.
	Algorithm string
}

// Overrides are the overrides of one namespace, prepared to be asked often. They
// never change and may be shared. The zero value has none.
type Overrides struct {
	exact    map[string]Override
	patterns []Override // those with a `*`, the most specific first
}

// NewOverrides prepares a list of overrides, of which each has its own Pattern.
// The order of the list does not matter.
func NewOverrides(list []Override) *Overrides {
	o := &Overrides{exact: make(map[string]Override, len(list))}
	for _, override := range list {
		o.exact[override.Pattern] = override
		if strings.Contains(override.Pattern, "*") {
			o.patterns = append(o.patterns, override)
		}
	}
	slices.SortFunc(o.patterns, bySpecificity)
	return o
}

// bySpecificity puts the pattern with more literal characters first, and of two
// with equally many the one whose text sorts first.
func bySpecificity(a, b Override) int {
	return cmp.Or(
		cmp.Compare(wildcard.Literals(b.Pattern), wildcard.Literals(a.Pattern)),
		cmp.Compare(a.Pattern, b.Pattern),
	)
}

// Resolve returns the override for an identifier, and whether there is one: the
// one whose Pattern is the identifier, else of those that match it the one with
// the most literal characters, else of several such the one whose Pattern sorts
// first. It allocates nothing.
func (o *Overrides) Resolve(identifier string) (Override, bool) {
	if override, found := o.exact[identifier]; found {
		return override, true
	}
	for _, override := range o.patterns {
		if wildcard.Match(override.Pattern, identifier) {
			return override, true
		}
	}
	return Override{}, false
}
