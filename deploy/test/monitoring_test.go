package test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// metricsOfTheCode returns every text in the code that can be the name of a metric.
func metricsOfTheCode(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../../internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if text, is := n.(*ast.BasicLit); is && text.Kind == token.STRING {
				if name, err := strconv.Unquote(text.Value); err == nil {
					names[strings.TrimPrefix(name, "latchkey_")] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestMonitoringNamesMetricsThatExist: the alerts and the board use no metric that the
// service doesn't have.
func TestMonitoringNamesMetricsThatExist(t *testing.T) {
	names := metricsOfTheCode(t)
	used := regexp.MustCompile(`\blatchkey_(\w+)`)
	for _, file := range []string{"../prometheus/rules.yaml", "../grafana/latchkey.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := used.FindAllStringSubmatch(string(text), -1)
		if len(found) < 10 {
			t.Errorf("%s uses only %d metrics", file, len(found))
		}
		for _, match := range found {
			name := match[1]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !names[name] {
				t.Errorf("%s: there is no metric %s", file, match[0])
			}
		}
	}
}

// TestRulesLoad: they have the form that Prometheus reads, and each alert says what happens.
func TestRulesLoad(t *testing.T) {
	text, err := os.ReadFile("../prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &rules); err != nil || len(rules.Groups) != 1 {
		t.Fatalf("%d groups: %v", len(rules.Groups), err)
	}
	for _, rule := range rules.Groups[0].Rules {
		severity := rule.Labels["severity"]
		if rule.Alert == "" || rule.Expr.StrVal == "" || rule.Annotations["summary"] == "" ||
			severity != "page" && severity != "ticket" {
			t.Errorf("%+v", rule)
		}
	}
}

// TestBoardLoads: it is JSON, and each panel has a query and a place of its own.
func TestBoardLoads(t *testing.T) {
	text, err := os.ReadFile("../grafana/latchkey.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	places := map[[2]int]bool{}
	for _, p := range board.Panels {
		place := [2]int{p.GridPos.X, p.GridPos.Y}
		if p.Title == "" || len(p.Targets) == 0 || p.Targets[0].Expr == "" || places[place] {
			t.Errorf("the panel %q: %+v", p.Title, p)
		}
		places[place] = true
	}
	if len(places) < 8 {
		t.Errorf("%d panels", len(places))
	}
}
