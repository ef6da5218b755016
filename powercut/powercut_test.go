package powercut

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	cuts = flag.Int("cuts", 12, "how often TestAcknowledgedSurvivesPowerCuts cuts the power")
	seed = flag.Uint64("seed", 0,
		"what makes a run repeatable as far as time allows; 0 takes one of the clock")
)

// TestAcknowledgedSurvivesPowerCuts holds the promise of docs/configuration.md:
// what was answered is there after a power failure, and nothing half done.
func TestAcknowledgedSurvivesPowerCuts(t *testing.T) {
	tr := trialOf(t, build(t, nil))
	if err := tr.repeat(t.Context(), *cuts, t.Logf); err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, w := range tr.model.workers {
		keys += len(w.keys)
	}
	if keys == 0 {
		t.Error("no key was made since the last empty disk, so nothing was tested")
	}
	t.Logf("%d cuts, %d keys since the last empty disk, seed %d", *cuts, keys, tr.seed)
}

// TestMissingSyncsAreCaught shows that the test can fail: it runs programs that
// lack one sync each.
func TestMissingSyncsAreCaught(t *testing.T) {
	const most = 20
	for name, change := range map[string]patch{
		"synchronous NORMAL": {"internal/store/sqlite.go", `"synchronous(FULL)"`,
			`"synchronous(NORMAL)"`},
		"no folder sync": {"internal/durable/durable.go", `return SyncFolder(dir)`,
			`_ = SyncFolder; return nil`},
	} {
		t.Run(name, func(t *testing.T) {
			err := trialOf(t, build(t, &change)).repeat(t.Context(), most, t.Logf)
			var found broken
			if !errors.As(err, &found) {
				t.Fatalf("not caught within %d cuts: %v", most, err)
			}
			t.Log(err)
		})
	}
}

func trialOf(t *testing.T, binary string) *trial {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	return newTrial(binary, t.TempDir(), t.TempDir(), *seed)
}

// patch is a change of one source file.
type patch struct{ file, old, new string }

// build builds the latchkey binary, with a patch of its source if there is one.
func build(t *testing.T, p *patch) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "latchkey")
	args := []string{"build", "-o", binary}
	if p != nil {
		args = append(args, "-overlay", p.overlay(t))
	}
	cmd := exec.Command("go", append(args, "./cmd/latchkey")...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// overlay writes the patched file and the list that makes the compiler take it.
func (p *patch) overlay(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", p.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), p.old) != 1 {
		t.Fatalf("%s does not hold %q once: mend the patch", p.file, p.old)
	}
	dir := t.TempDir()
	patched, list := filepath.Join(dir, "patched.go"), filepath.Join(dir, "overlay.json")
	text := strings.Replace(string(source), p.old, p.new, 1)
	if err := os.WriteFile(patched, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(map[string]map[string]string{"Replace": {file: patched}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}
