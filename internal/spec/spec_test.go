package spec

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

const (
	module    = "../.."
	committed = "../server/openapi.json"
)

// loaded is the document of the current sources. Tests must not change it.
var loaded = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := Document(module)
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(text)
})

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// described returns an operation as the document describes it.
func described(t *testing.T, doc *openapi3.T, op *engine.Op) *openapi3.Operation {
	t.Helper()
	item := doc.Paths.Value("/v2/" + op.Name)
	if item == nil {
		t.Fatalf("%s has no path", op.Name)
	}
	if op.GET {
		return item.Get
	}
	return item.Post
}

func TestCommittedDocumentIsCurrent(t *testing.T) {
	want, err := Document(module)
	if err != nil {
		t.Fatal(err)
	}
	compareCommitted(t, committed, want)
}

func TestCommittedOverviewIsCurrent(t *testing.T) {
	want, err := Overview(module)
	if err != nil {
		t.Fatal(err)
	}
	compareCommitted(t, "../server/llms.txt", want)
}

func TestCommittedPageOfPermissionsIsCurrent(t *testing.T) {
	compareCommitted(t, module+"/docs/permissions.md", []byte(PermissionsPage()))
}

// compareCommitted checks that a committed file is what is generated today.
func compareCommitted(t *testing.T, file string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run go generate ./internal/spec\n%s", file,
			firstDifference(got, want))
	}
}

// firstDifference returns the first lines that differ.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "line " + strconv.Itoa(i+1) + ":\n- " + g[i] + "\n+ " + w[i]
		}
	}
	return "one is the beginning of the other"
}

func TestDocumentIsTheSameEachTime(t *testing.T) {
	first, err := Document(module)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Document(module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error(firstDifference(first, second))
	}
}

func TestDocumentIsValidOpenAPI(t *testing.T) {
	doc := load(t)
	if err := doc.Validate(
		t.Context(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation(),
	); err != nil {
		t.Error(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("openapi: %s", doc.OpenAPI)
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	doc := load(t)
	for _, op := range engine.Ops {
		o := described(t, doc, op)
		if o == nil || o.OperationID != op.Name {
			t.Errorf("%s is not described as itself: %+v", op.Name, o)
			continue
		}
		if o.Summary == "" || !strings.Contains(o.Description, "**Permission**") ||
			!strings.Contains(o.Description, "**Retrying**") {
			t.Errorf("%s lacks a text: %q, %q", op.Name, o.Summary, o.Description)
		}
		if doc.Tags.Get(o.Tags[0]) == nil {
			t.Errorf("%s is in %v, which isn't a group", op.Name, o.Tags)
		}
		if (o.RequestBody == nil) != op.GET || (o.Security != nil) !=
			(op.Public || op.Scope != "" || op.Holder) {
			t.Errorf("%s: body or security is wrong: GET %v, public %v", op.Name, op.GET, op.Public)
		}
		if hasKey := len(o.Parameters) == 1; hasKey != op.SavesResponse() {
			t.Errorf("%s: Idempotency-Key documented: %v, supported: %v", op.Name, hasKey,
				op.SavesResponse())
		}
	}
	if got := doc.Paths.Len(); got != len(engine.Ops) {
		t.Errorf("%d paths for %d operations", got, len(engine.Ops))
	}
}

func TestEveryErrorStatusOfTheTableIsDescribed(t *testing.T) {
	doc := load(t)
	for _, op := range engine.Ops {
		var got []string
		for status := range described(t, doc, op).Responses.Map() {
			got = append(got, status)
		}
		for _, status := range append([]int{200, 500}, op.Refusals...) {
			if !slices.Contains(got, strconv.Itoa(status)) {
				t.Errorf("%s does not describe %d", op.Name, status)
			}
		}
	}
}

// The official clients type an error only in these media types.
func TestErrorsHaveTheMediaTypeThatClientsExpect(t *testing.T) {
	doc := load(t)
	for _, op := range engine.Ops {
		for status, response := range described(t, doc, op).Responses.Map() {
			want := "application/json"
			plain := op.Name == "permissions.updateRole" || op.Name == "permissions.updatePermission"
			if status == "429" && !plain || op.Name == "identities.deleteIdentity" && status != "200" {
				want = "application/problem+json"
			}
			var got []string
			for media := range response.Value.Content {
				got = append(got, media)
			}
			if diff := cmp.Diff([]string{want}, got); diff != "" {
				t.Errorf("%s %s: %s", op.Name, status, diff)
			}
		}
	}
}

func TestBadRequestsAlwaysListFaults(t *testing.T) {
	doc := load(t)
	for _, status := range []string{"400", "413"} {
		response := doc.Paths.Value("/v2/keys.createKey").Post.Responses.Value(status)
		problem := response.Value.Content["application/json"].Schema.Value.Properties["error"].Value
		if !slices.Contains(problem.Required, "errors") {
			t.Errorf("%s requires only %v", status, problem.Required)
		}
	}
}

func TestDocumentNeedsItsSources(t *testing.T) {
	if _, err := Document(t.TempDir()); err == nil {
		t.Error("got a document without sources")
	}
}
