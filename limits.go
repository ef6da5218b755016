package latchkey

// Algorithm is how a rate limit counts. Each algorithm has its own counts. The zero
// value is the default: that of the limit's namespace, or else SlidingWindow.
type Algorithm string

// The algorithms.
const (
	// SlidingWindow counts the use in the current window, and a share of the use in the
	// previous one: the share of that window that is less than one duration ago. Windows
	// begin at multiples of the duration since the unix epoch. Reset is the end of the
	// current one.
	SlidingWindow Algorithm = "sliding_window"
	// TokenBucket has a bucket of limit tokens, which gains limit tokens per duration,
	// evenly. A call passes if the bucket has as many tokens as it costs, so a burst of
	// the whole limit passes, and then one unit every duration/limit. Calls with
	// different limits share one bucket: a cost takes cost/limit of it. Reset is when
	// the bucket is full again.
	TokenBucket Algorithm = "token_bucket"
)

// RatelimitRequest defines a rate limit of a key or an identity.
type RatelimitRequest struct {
	_ struct{} `check:"loose"`
	// Name is the name by which a verification asks for the limit. It is case-sensitive.
	Name string `json:"name" check:"required,min=3,max=128"`
	// Limit is how much can be used in one window, or the size of the token bucket.
	Limit int64 `json:"limit" check:"required,min=1"`
	// Duration is the length of the window in milliseconds, at least one second. A
	// token bucket refills in it.
	Duration Duration `json:"duration" check:"required,min=1000"`
	// AutoApply is true to check the limit at every verification, and false to check it only where a
	// verification names it.
	AutoApply Opt[bool] `json:"autoApply,omitzero" check:"required"`
	// Algorithm is how the limit counts: "sliding_window", the default, or "token_bucket".
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// Ratelimit is a rate limit of a key or an identity.
type Ratelimit struct {
	// ID identifies the limit.
	ID string `json:"id" check:"required"`
	// Name is the name by which a verification asks for the limit.
	Name string `json:"name" check:"required"`
	// Limit is how much can be used in one window, or the size of the token bucket.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds, or how long the token bucket
	// takes to refill.
	Duration Duration `json:"duration" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
	// Algorithm is how the limit counts; absent if it was not set.
	Algorithm Algorithm `json:"algorithm,omitempty" check:"enum=sliding_window|token_bucket"`
}

// Request returns the request for this limit. An update replaces all limits of a
// key or an identity, so to change one, send the requests of the others, too.
func (r Ratelimit) Request() RatelimitRequest {
	return RatelimitRequest{
		Name: r.Name, Limit: r.Limit, Duration: r.Duration,
		AutoApply: Set(r.AutoApply), Algorithm: r.Algorithm,
	}
}
