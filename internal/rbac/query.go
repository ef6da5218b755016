// Package rbac decides what a key is allowed to do. A permission [Query] is
// evaluated on the [Held] permissions of the key that is verified. An operation
// needs permissions among the [Grants] of the root key that calls it.
package rbac

import "slices"

// Query is a parsed permission query. It is immutable and safe for concurrent
// use. The zero value allows nothing.
type Query struct{ root term }

// A term with a name is a permission; any other is the AND or OR of its terms.
type term struct {
	name  string
	and   bool // AND instead of OR
	terms []term
}

// Allowed reports whether the held permissions satisfy the query.
func (q *Query) Allowed(held *Held) bool { return q.root.allowed(held) }

func (t *term) allowed(held *Held) bool {
	if t.name != "" {
		return held.Has(t.name)
	}
	for i := range t.terms {
		if t.terms[i].allowed(held) != t.and {
			return !t.and
		}
	}
	return t.and
}

// Names returns the permissions of the query in their order, each once.
func (q *Query) Names() []string { return q.root.names(nil) }

func (t *term) names(all []string) []string {
	if t.name != "" && !slices.Contains(all, t.name) {
		all = append(all, t.name)
	}
	for i := range t.terms {
		all = t.terms[i].names(all)
	}
	return all
}
