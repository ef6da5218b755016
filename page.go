package latchkey

// Pagination says whether a list has more pages.
type Pagination struct {
	// Cursor is where the next page begins; present only if HasMore is true.
	Cursor string `json:"cursor,omitempty" check:"min=1,max=1024"`
	// HasMore reports whether there is a next page. It is exact.
	HasMore bool `json:"hasMore" check:"required"`
}

// Page is one page of a list. It ends at the limit of the request or at 4 MiB of items,
// whichever comes first. A larger item is a page of its own.
type Page[T any] struct {
	// Data are the items of this page, never null.
	Data []T `json:"data"`
	// Pagination leads to the next page.
	Pagination Pagination `json:"pagination"`
}

// Empty is the response of an operation that returns no data.
type Empty struct{}
