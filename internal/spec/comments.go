package spec

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// comments are the doc comments that become the text of the document, as Markdown.
type comments struct {
	types      map[string]typeComment // of the root package, by name
	operations map[string]string      // of the engine's methods, by name
}

// typeComment is the comment of a type, and those of its fields by Go name.
type typeComment struct {
	text   string
	fields map[string]string
}

// readComments reads the comments of the root package and of the engine.
func readComments(root string) (*comments, error) {
	wire, err := readPackage(root)
	if err != nil {
		return nil, err
	}
	engine, err := readPackage(filepath.Join(root, "internal", "engine"))
	if err != nil {
		return nil, err
	}
	c := &comments{types: map[string]typeComment{}, operations: map[string]string{}}
	for _, t := range wire.Types {
		c.types[t.Name] = readType(wire, t)
	}
	for _, t := range engine.Types {
		if t.Name == "Engine" {
			for _, m := range t.Methods {
				c.operations[m.Name] = markdown(engine, withoutName(m.Name, m.Doc))
			}
		}
	}
	return c, nil
}

// readPackage reads the declarations of the package in dir, without its tests.
func readPackage(dir string) (*doc.Package, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if files == nil {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	return doc.NewFromFiles(fset, files, "example.com/"+filepath.Base(dir))
}

func readType(pkg *doc.Package, t *doc.Type) typeComment {
	c := typeComment{text: markdown(pkg, withoutName(t.Name, t.Doc)), fields: map[string]string{}}
	body, ok := t.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
	if !ok {
		return c
	}
	names := jsonNames(body)
	for _, f := range body.Fields.List {
		for _, name := range f.Names {
			c.fields[name.Name] = markdown(pkg, inJSON(withoutName(name.Name, f.Doc.Text()), names))
		}
	}
	return c
}

// jsonNames returns the JSON names of the fields of a struct, by Go name.
func jsonNames(body *ast.StructType) map[string]string {
	names := map[string]string{}
	for _, f := range body.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
		for _, name := range f.Names {
			names[name.Name], _, _ = strings.Cut(tag, ",")
		}
	}
	return names
}

// withoutName removes the name at the start of a Go comment, because a reader of
// the API sees the JSON name beside it: "APIID is the API to read." becomes "The
// API to read."
func withoutName(name, text string) string {
	rest, found := strings.CutPrefix(text, name+" ")
	if !found || rest == "" {
		return text
	}
	for _, verb := range []string{"is ", "are ", "reports "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

var capitalWord = regexp.MustCompile(`[a-z,;:] [A-Z]\w*`)

// inJSON replaces the Go names of fields in a comment by their JSON names. A
// capital inside a sentence tells a name from prose.
func inJSON(text string, names map[string]string) string {
	return capitalWord.ReplaceAllStringFunc(text, func(m string) string {
		if name := names[m[2:]]; name != "" {
			return m[:2] + `"` + name + `"`
		}
		return m
	})
}

// sentence splits the first sentence from a text, without its full stop.
func sentence(text string) (first, rest string) {
	end := strings.Index(text, "\n\n")
	if end < 0 {
		end = len(text)
	}
	if i := sentenceEnd.FindStringIndex(text[:end]); i != nil {
		end = i[0] + 1
	}
	return strings.TrimSuffix(text[:end], "."), strings.TrimSpace(text[end:])
}

var sentenceEnd = regexp.MustCompile("[.] [A-Z`]")
