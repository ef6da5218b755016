package latchkey

// RatelimitRequest defines a rate limit of a key or an identity.
type RatelimitRequest struct {
	_ struct{} `check:"loose"`
	// Name is the name by which a verification asks for the limit. It is case-sensitive.
	Name string `json:"name" check:"required,min=3,max=128"`
	// Limit is how much can be used in one window.
	Limit int64 `json:"limit" check:"required,min=1"`
	// Duration is the length of the window in milliseconds, at least one second.
	Duration Duration `json:"duration" check:"required,min=1000"`
	// AutoApply is true to check the limit at every verification, and false to check it only where a
	// verification names it.
	AutoApply Opt[bool] `json:"autoApply,omitzero" check:"required"`
}

// Ratelimit is a rate limit of a key or an identity.
type Ratelimit struct {
	// ID identifies the limit.
	ID string `json:"id" check:"required"`
	// Name is the name by which a verification asks for the limit.
	Name string `json:"name" check:"required"`
	// Limit is how much can be used in one window.
	Limit int64 `json:"limit" check:"required"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration" check:"required"`
	// AutoApply reports whether every verification checks the limit.
	AutoApply bool `json:"autoApply" check:"required"`
}

// Request returns the request for this limit. An update replaces all limits of a
// key or an identity, so to change one, send the requests of the others, too.
func (r Ratelimit) Request() RatelimitRequest {
	return RatelimitRequest{Name: r.Name, Limit: r.Limit, Duration: r.Duration, AutoApply: Set(r.AutoApply)}
}
