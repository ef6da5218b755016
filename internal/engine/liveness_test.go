package engine

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
)

func TestLivenessNeedsNoRootKey(t *testing.T) {
	w := newWorld(t)
	got := must[latchkey.Liveness](w, Caller{}, "liveness", latchkey.LivenessRequest{})
	if got.Message == "" {
		t.Error("the answer says nothing")
	}
}
