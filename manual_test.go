package latchkey_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManualShowsTestedCode checks that an example contains each block of Go in
// the manual, line by line, so that the block compiles and runs.
func TestManualShowsTestedCode(t *testing.T) {
	var tested strings.Builder
	for _, dir := range publicPackages {
		tested.WriteString(unindented(readFile(t, dir+"/example_test.go")))
	}
	blocks := strings.Split(readFile(t, "docs/sdk.md"), "```go\n")[1:]
	if len(blocks) < 8 {
		t.Errorf("the manual has %d blocks", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(tested.String(), unindented(block)) {
			t.Errorf("not in an example:\n%s", block)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unindented removes what stands before the first word of each line.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// TestEveryExportedNameIsDocumented looks at the packages that programs import.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, dir := range publicPackages {
		pkg := documentation(t, dir)
		if pkg.Doc == "" {
			t.Errorf("package %s", dir)
		}
		documented(t, dir, pkg.Funcs, pkg.Consts, pkg.Vars)
		for _, typ := range pkg.Types {
			if typ.Doc == "" {
				t.Errorf("%s: type %s", dir, typ.Name)
			}
			documented(t, dir, append(typ.Funcs, typ.Methods...), typ.Consts, typ.Vars)
			for _, field := range undocumentedFields(typ.Decl) {
				t.Errorf("%s: %s.%s", dir, typ.Name, field)
			}
		}
	}
}

func documentation(t *testing.T, dir string) *doc.Package {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+"/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

func documented(t *testing.T, dir string, funcs []*doc.Func, groups ...[]*doc.Value) {
	t.Helper()
	for _, f := range funcs {
		if f.Doc == "" {
			t.Errorf("%s: func %s", dir, f.Name)
		}
	}
	for _, values := range groups {
		for _, v := range values {
			if v.Doc == "" {
				t.Errorf("%s: %s", dir, v.Names)
			}
		}
	}
}

// undocumentedFields returns the exported fields of a struct without a comment.
func undocumentedFields(decl *ast.GenDecl) (names []string) {
	body, ok := decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, field := range body.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() && field.Doc == nil && field.Comment == nil {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
