package spec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// overviewStart is what the overview says before the list of operations.
const overviewStart = `# Latchkey

> Latchkey issues, verifies and revokes API keys, and enforces permissions, credits and
> rate limits. This server speaks the Unkey v2 HTTP API.

Operations are POST /v2/OPERATION, unless the list says GET, with a JSON body and the header
Authorization: Bearer ROOT_KEY. Responses are {"meta": {"requestId"}, "data": …}, errors are
{"meta": {"requestId"}, "error": {"status", "title", "detail", "type", "errors"?}}. A key that
isn't valid is no error: keys.verifyKey responds with status 200, "valid": false and a code.

- [OpenAPI 3.1](/openapi.json): every operation, field, bound, error and permission
- [Reference for people](/reference)
- [Documentation](https://github.com/latchkeyhq/latchkey/tree/main/docs): recipes, plans,
  errors, permissions, gates, clients, operation

## Operations
`

// Overview returns the text of /llms.txt, which tells language models what the server is
// and what it can do, in the form of https://llmstxt.org. It reads the comments from the Go
// files below root, as Document does.
func Overview(root string) ([]byte, error) {
	words, err := readComments(root)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	w := &writer{words: words}
	var b strings.Builder
	b.WriteString(overviewStart)
	for _, op := range engine.Ops {
		summary, _ := w.describe(op)
		method := ""
		if op.GET {
			method = " (GET)"
		}
		fmt.Fprintf(&b, "\n- %s%s: %s", op.Name, method, summary)
	}
	b.WriteByte('\n')
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	return []byte(b.String()), nil
}
