package tally

import (
	"errors"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// Labels of both dimensions have a bound in bytes, and those that are known cost nothing.
func TestLabelsAreBoundedInBytes(t *testing.T) {
	g := newGroups(events.Verifications, []Dimension{ByTag, ByExternal})
	half := strings.Repeat("a", MaxLabelBytes/2)
	for _, d := range []int{0, 1, 0, 1} {
		if _, err := g.label(d, half); err != nil {
			t.Fatalf("labels of %d bytes: %v", MaxLabelBytes, err)
		}
	}
	for d := range g.by {
		if _, err := g.label(d, "b"); !errors.Is(err, ErrTooManyGroups) {
			t.Errorf("one byte more in dimension %d: %v, want ErrTooManyGroups", d, err)
		}
	}
}
