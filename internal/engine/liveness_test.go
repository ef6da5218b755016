package engine

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
)

func TestLivenessAnswersAnyone(t *testing.T) {
	w := newWorld(t)
	if got := must[latchkey.Liveness](w, Caller{}, "liveness", latchkey.LivenessRequest{}); got.Message == "" {
		t.Error("the answer says nothing")
	}
}
