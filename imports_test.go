package latchkey_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/latchkeyhq/latchkey"

// imports is the house as a table: which of our packages each package may
// import, besides the root. Data goes down; nobody calls sideways or up.
var imports = map[string][]string{
	".":                {},
	"cmd/latchkey":     {"internal/cli"},
	"internal/cli/gen": {"internal/cli"},
	"internal/cli": {"embedded", "internal/durable", "internal/licenses",
		"internal/store", "internal/wire"},
	"embedded": {"internal/server", "internal/engine", "internal/store",
		"internal/vault", "internal/durable", "internal/events", "internal/ui"},
	"internal/ui": {"internal/ui/assets", "internal/ui/chart", "internal/ui/manual",
		"docs"},
	"internal/ui/manual":     {},
	"docs":                   {},
	"internal/ui/assets":     {},
	"internal/ui/assets/gen": {},
	"internal/ui/chart":      {},
	"internal/ui/demo":       {"embedded"},
	"internal/server":        {"internal/engine", "internal/wire"},
	"internal/engine": {"internal/wire", "internal/rbac", "internal/vault", "internal/ratelimit",
		"internal/coherence", "internal/durable", "internal/events", "internal/events/query",
		"internal/events/tally",
		"internal/period", "internal/store", "internal/store/read", "internal/store/write",
		"internal/webhook"},
	"internal/coherence":    {},
	"internal/durable":      {},
	"internal/events":       {},
	"internal/events/query": {"internal/events"},
	"internal/events/tally": {"internal/events"},
	"internal/period":       {},
	"internal/store":        {"internal/store/read", "internal/store/write", "internal/durable"},
	"internal/store/read":   {},
	"internal/store/write":  {},
	"internal/storetest":    {"internal/store", "internal/testenv"},
	"internal/check":        {},
	"internal/wire":         {"internal/check"},
	"internal/wire/gen":     {"internal/check"},
	"internal/rbac":         {"internal/wildcard"},
	"internal/ratelimit":    {"internal/wildcard"},
	"internal/vault":        {},
	"internal/wildcard":     {},
	"internal/webhook":      {},
	"internal/testenv":      {},
	"internal/testlog":      {},
	"internal/licenses":     {},
	"internal/licenses/gen": {},
	"internal/spec":         {"internal/engine", "internal/check"},
	"internal/spec/gen":     {"internal/spec"},
	"internal/guardtest":    {"protect"},
	"conformance":           {},
	"conformance/cluster":   {},
	"protect":               {},
	"latchkeytest":          {"embedded"},
}

// leaves know nothing of the API, not even its vocabulary.
var leaves = []string{
	"internal/check", "internal/store", "internal/coherence", "internal/durable", "internal/rbac",
	"internal/events", "internal/events/query", "internal/events/tally", "internal/period",
	"internal/ratelimit", "internal/vault", "internal/wildcard", "internal/webhook",
}

// TestImportsKeepToTheTable reads every file and holds it against the table.
// Tests may import what they need.
func TestImportsKeepToTheTable(t *testing.T) {
	nested := func(dir string) bool { // modules of their own
		mods, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
		return dir == "compat" || dir != "." && len(mods) > 0
	}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() &&
			(nested(file) || strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		from := filepath.ToSlash(filepath.Dir(file))
		may, known := imports[from]
		if !known {
			t.Errorf("%s: the package %s is not in the table; say there what it may import", file, from)
			return nil
		}
		for _, to := range importsOf(t, file) {
			if to == "unsafe" {
				t.Errorf("%s imports unsafe, which nothing does here", file)
			}
			if from == "." && strings.Contains(to, ".") {
				t.Errorf("%s imports %s: the root package uses the standard library only", file, to)
			}
			ours, isOurs := strings.CutPrefix(to+"/", module+"/")
			if !isOurs {
				continue
			}
			ours = path.Clean(ours)
			if ours == "." && slices.Contains(leaves, from) {
				t.Errorf("%s imports the root package, of which leaves know nothing", file)
			}
			if ours != "." && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s, which the table doesn't allow", file, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// TestAdaptersDownloadTheirFrameworkOnly: who uses gin needs none of the others.
func TestAdaptersDownloadTheirFrameworkOnly(t *testing.T) {
	frameworks := map[string]string{
		"ginguard": "gin-gonic/gin ", "echoguard": "labstack/echo/", "fiberguard": "gofiber/fiber/",
		"grpcguard": "google.golang.org/grpc ",
	}
	folders, err := os.ReadDir("adapters")
	if err != nil || len(folders) != len(frameworks) {
		t.Errorf("%d adapters, %v; want %d", len(folders), err, len(frameworks))
	}
	for adapter := range frameworks {
		mod, err := os.ReadFile(filepath.Join("adapters", adapter, "go.mod"))
		if err != nil {
			t.Error(err)
			continue
		}
		for of, framework := range frameworks {
			if strings.Contains(string(mod), framework) != (of == adapter) {
				t.Errorf("adapters/%s/go.mod: %q is wrong there, or missing", adapter, framework)
			}
		}
	}
}
