package test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// TestImageIsSmallAndNotRoot reads the Dockerfile as docker build does.
func TestImageIsSmallAndNotRoot(t *testing.T) {
	file, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if !strings.HasPrefix(last.BaseName, "gcr.io/distroless/static") || len(stages) != 2 {
		t.Errorf("the image is built from %s in %d stages", last.BaseName, len(stages))
	}
	user := slices.IndexFunc(last.Commands, func(c instructions.Command) bool {
		u, is := c.(*instructions.UserCommand)
		return is && !strings.HasPrefix(u.User, "0") && !strings.HasPrefix(u.User, "root")
	})
	if user < 0 {
		t.Error("the image runs as root")
	}
}
