package cluster

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the matrix to docs/operate.md")

// matrix returns the table of the faults as docs/operate.md shows it.
func matrix() string {
	var table strings.Builder
	table.WriteString("| fault |")
	for _, w := range columns {
		table.WriteString(" " + string(w) + " |")
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, f := range append(append([]fault{}, faults...), diskFull, clockJump) {
		table.WriteString(f.row() + "\n")
	}
	return table.String()
}

// TestManualShowsTheMatrix checks that docs/operate.md shows the matrix that the tests of this
// package
// check.
func TestManualShowsTheMatrix(t *testing.T) {
	const file, begin, end = "../../docs/operate.md", "<!-- matrix -->\n", "<!-- /matrix -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table between %s and %s", file, strings.TrimSpace(begin),
			strings.TrimSpace(end))
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+matrix()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != matrix() {
		t.Errorf("the table is outdated; go test -run ManualShowsTheMatrix "+
			"./conformance/cluster -update writes:\n%s", matrix())
	}
}
