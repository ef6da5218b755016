// Package spec generates the OpenAPI document of the API. The operations come from
// engine.Ops, their texts from the comments of the engine's methods, the schemas
// from the Go types of the root package with their check tags and comments. This
// package has only the examples and the texts that concern all operations.
//
// The document is committed as internal/server/openapi.json, an overview for language models
// as internal/server/llms.txt, and the page of permissions as docs/permissions.md. After a
// change of a type, a comment or the table, regenerate them with
//
//	go generate ./internal/spec
package spec

//go:generate go run ./gen

import (
	_ "embed"
	"errors"
	"fmt"
	"path"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// contractFacts has the facts of the Unkey v2 API that ours is compared with: the
// operations, and for each place in a request or response its type, whether it is
// required, and its bounds. Each line is a fact and its value.
//
//go:embed contract.txt
var contractFacts string

// Document returns the OpenAPI document as indented JSON. The same sources give the
// same bytes. It reads the comments from the Go files below root, the directory of
// the module. A missing comment or example is an error.
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

// writer generates the parts of one document. It collects the errors of the sources,
// to report them all at once.
type writer struct {
	words   *comments
	schemas map[string]*schema // the components so far, by name
	errs    []error
}

func (w *writer) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

func (w *writer) document() *document {
	w.envelopes()
	return &document{
		OpenAPI: "3.1.0",
		Info:    about,
		Servers: []server{{
			URL:         "http://127.0.0.1:7070",
			Description: "The service on this machine, at its default address.",
		}},
		Security: []security{{"bearer": {}}},
		Tags:     w.tags(),
		Paths:    w.paths(),
		Components: components{
			Schemas:    w.schemas,
			Responses:  w.errorResponses(),
			Parameters: map[string]parameter{"IdempotencyKey": idempotencyKey},
			Headers:    headers,
			SecuritySchemes: map[string]securityScheme{
				"bearer": bearer, "portalSession": cookie, "key": holderKey,
			},
		},
	}
}

// tags returns the groups of the operations, in the order of the table.
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

// group is the part of an operation's name before the dot, or all of a name without
// one.
func group(op *engine.Op) string {
	if ext := path.Ext(op.Name); ext != "" {
		return op.Name[:len(op.Name)-len(ext)]
	}
	return op.Name
}
