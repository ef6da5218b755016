package engine

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// Liveness answers as long as the service runs. Anyone may ask.
func (e *Engine) Liveness(context.Context, Caller, *latchkey.LivenessRequest) (latchkey.Liveness, error) {
	return latchkey.Liveness{Message: "ok"}, nil
}
