package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// Liveness returns 200 while the service runs. It needs no root key.
func (e *Engine) Liveness(
	context.Context, Caller, *latchkey.LivenessRequest,
) (latchkey.Liveness, error) {
	return latchkey.Liveness{Message: "ok"}, nil
}
