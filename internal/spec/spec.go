// Package spec writes the OpenAPI document of the API. Nothing in it is written
// by hand that stands somewhere already: the operations come from engine.Ops,
// their words from the comments of the engine's methods, the schemas from the
// Go types of the root package with their check tags and comments. Only the
// examples and what concerns all operations stand here.
//
// The document is committed as internal/server/openapi.json. After a change of a
// type, a comment or the table, write it anew with
//
//	go generate ./internal/spec
package spec

//go:generate go run ./gen

import (
	"errors"
	"fmt"
	"path"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// Document returns the OpenAPI document as indented JSON, the same bytes for the
// same sources. The comments are read from the Go files below root, the
// directory of the module. A missing comment or example is an error.
func Document(root string) ([]byte, error) {
	words, err := readComments(root)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	w := &writer{words: words, schemas: map[string]*schema{}}
	doc := w.document()
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	return encode(doc, "  ")
}

// writer makes the parts of one document. What is wrong with the sources is
// gathered in errs, so that all of it is told at once.
type writer struct {
	words   *comments
	schemas map[string]*schema // the components made so far, by name
	errs    []error
}

func (w *writer) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

func (w *writer) document() *document {
	w.envelopes()
	return &document{
		OpenAPI:  "3.1.0",
		Info:     about,
		Servers:  []server{{URL: "http://127.0.0.1:7070", Description: "The service on this machine, as it starts by default."}},
		Security: []security{{"bearer": {}}},
		Tags:     w.tags(),
		Paths:    w.paths(),
		Components: components{
			Schemas:         w.schemas,
			Responses:       w.refusals(),
			Parameters:      map[string]parameter{"IdempotencyKey": idempotencyKey},
			Headers:         headers,
			SecuritySchemes: map[string]securityScheme{"bearer": bearer},
		},
	}
}

// tags returns the groups that the operations are in, in the order of the table.
func (w *writer) tags() []tag {
	var tags []tag
	seen := map[string]bool{}
	for _, op := range engine.Ops {
		name := group(op)
		if seen[name] {
			continue
		}
		seen[name] = true
		if groups[name] == "" {
			w.fail("the group %s has no description", name)
		}
		tags = append(tags, tag{Name: name, Description: groups[name]})
	}
	return tags
}

// paths returns the operations in the order of the table.
func (w *writer) paths() object {
	var paths object
	for _, op := range engine.Ops {
		method := "post"
		if op.GET {
			method = "get"
		}
		paths = append(paths, member{"/v2/" + op.Name, object{{method, w.operation(op)}}})
	}
	return paths
}

// group is what stands before the dot of an operation's name, or all of a name
// without a dot.
func group(op *engine.Op) string {
	if ext := path.Ext(op.Name); ext != "" {
		return op.Name[:len(op.Name)-len(ext)]
	}
	return op.Name
}
