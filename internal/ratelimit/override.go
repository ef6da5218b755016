package ratelimit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/wildcard"
)

// Override replaces the limit and the duration of requests for the identifiers
// that its Pattern matches. A `*` in the Pattern matches any run of characters.
type Override struct {
	ID       string
	Pattern  string
	Limit    int64
	Duration int64 // in milliseconds
	// Algorithm is the name of the algorithm that replaces the request's, or "".
	Algorithm string
}

// Overrides are the overrides of one namespace, indexed for fast lookups. They are
// immutable and safe for concurrent use. The zero value has none.
type Overrides struct {
	exact    map[string]Override
	patterns []Override // with a `*`, the most specific first
}

// NewOverrides indexes a list of overrides with distinct Patterns. The order of the
// list does not matter.
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

// Matching returns the overrides that match an identifier, at most so many: first the one
// that [Overrides.Resolve] returns, then the others in the order in which it would.
func (o *Overrides) Matching(identifier string, most int) []Override {
	var all []Override
	exact, found := o.exact[identifier]
	if found {
		all = append(all, exact)
	}
	for _, override := range o.patterns {
		if len(all) < most && override.Pattern != exact.Pattern &&
			wildcard.Match(override.Pattern, identifier) {
			all = append(all, override)
		}
	}
	return all
}

// Resolve returns the override for an identifier, and whether there is one. A
// Pattern equal to the identifier comes first; then, of those that match, the one
// with the most literal characters; then the one that sorts first. It does not
// allocate.
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
