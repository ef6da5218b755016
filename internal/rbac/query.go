// Package rbac decides what a key may do. A permission [Query] is asked of the
// permissions that a verified key has [Held]; an operation is asked of the
// [Grants] of the root key that calls it.
package rbac

// Query is a parsed permission query. It never changes, so any number of
// goroutines may share one. The zero value allows nothing.
type Query struct{ root term }

// term is a permission when it has a name, else AND or OR of its terms.
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
