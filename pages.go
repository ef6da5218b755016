package latchkey

import (
	"context"
	"iter"
)

// all walks a list from a cursor to its end, reading a page whenever the one
// before is used up. It ends where the service says so, or where it can't go on:
// at a blank cursor or one that it has met before. An error ends it too.
func all[T any](ctx context.Context, cursor string, page func(cursor string) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		met := map[string]bool{}
		for at := cursor; !met[at]; {
			met[at] = true
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
