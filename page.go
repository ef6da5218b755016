package latchkey

// Pagination says whether a list goes on.
type Pagination struct {
	// Cursor is where the next page begins; present only if HasMore is true.
	Cursor string `json:"cursor,omitempty" check:"min=1,max=1024"`
	// HasMore reports whether there is a next page. It is exact.
	HasMore bool `json:"hasMore" check:"required"`
}

// Page is a part of a list.
type Page[T any] struct {
	// Data are the items of this page, never null.
	Data []T `json:"data"`
	// Pagination leads to the next page.
	Pagination Pagination `json:"pagination"`
}

// Empty is the answer of an operation that has nothing to report.
type Empty struct{}
