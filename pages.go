package latchkey

import (
	"context"
	"iter"
)

// all iterates over a list from a cursor, page after page. It ends where the
// service says so, at an empty cursor, at one that it has seen before, and after
// an error.
func all[T any](
	ctx context.Context, cursor string, page func(cursor string) (Page[T], error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen := map[string]bool{}
		for at := cursor; !seen[at]; {
			seen[at] = true
			if err := ctx.Err(); err != nil {
				yield(*new(T), err)
				return
			}
			p, err := page(at)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range p.Data {
				if !yield(item, nil) {
					return
				}
			}
			if at = p.Pagination.Cursor; !p.Pagination.HasMore || at == "" {
				return
			}
		}
	}
}
