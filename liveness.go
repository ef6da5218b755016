package latchkey

import "context"

// LivenessRequest asks whether the service responds.
type LivenessRequest struct{}

// Liveness is the response to [LivenessRequest].
type Liveness struct {
	// Message is a text for people.
	Message string `json:"message" check:"required"`
}

// Liveness asks whether the service responds. It needs no root key.
func (c *Client) Liveness(ctx context.Context, opts ...CallOption) (Liveness, error) {
	return call[Liveness](ctx, c, "liveness", &LivenessRequest{}, opts)
}
