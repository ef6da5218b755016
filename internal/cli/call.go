package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// callCmd calls any operation by its name.
type callCmd struct {
	Operation string `arg:"" complete:"operations" help:"Name of the operation, for example keys.verifyKey."`
	Request   string `arg:"" optional:"" default:"{}" placeholder:"JSON" help:"The request as JSON; - reads it from standard input."`
}

// Help are the examples of latchkey call --help.
func (callCmd) Help() string {
	return `Prints the data of the response; for a list, one page.

Examples:

    latchkey call apis.createApi '{"name":"my api"}'
    latchkey call keys.createKey - < key.json
    latchkey --json call apis.listApis | jq -r '.[].id'`
}

// Run calls the operation.
func (c *callCmd) Run(ctx context.Context, a *app) error {
	op, known := latchkey.LookupOperation(c.Operation)
	if !known {
		return unknownOperation(c.Operation)
	}
	request, err := c.request(a.stdin)
	if err != nil {
		return err
	}
	client, err := a.clientFor(op)
	if err != nil {
		return err
	}
	data, pagination, err := client.Call(ctx, op.Name, request)
	if err != nil {
		return err
	}
	if pagination != nil && pagination.HasMore {
		fmt.Fprintf(a.stderr, "There is more; the next page has \"cursor\":%q\n", pagination.Cursor)
	}
	return a.printData(data)
}

// clientFor returns a client without a root key for a public operation.
func (a *app) clientFor(op *latchkey.Operation) (*latchkey.Client, error) {
	if op.Public {
		nobody := func(context.Context) (string, error) { return "", nil }
		return latchkey.New(latchkey.Config{BaseURL: a.URL, RootKeyFunc: nobody})
	}
	return a.client()
}

// request returns the JSON to send.
func (c *callCmd) request(stdin io.Reader) (json.RawMessage, error) {
	text := []byte(c.Request)
	if c.Request == "-" {
		var err error
		if text, err = io.ReadAll(stdin); err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
	}
	if !json.Valid(text) {
		return nil, errors.New(
			"the request is not valid JSON; quote it for the shell: '{\"name\":\"value\"}'",
		)
	}
	return text, nil
}

// unknownOperation lists the operations of the given noun, or all nouns.
func unknownOperation(name string) error {
	noun, _, _ := strings.Cut(name, ".")
	var nouns, same []string
	for op := range latchkey.Operations() {
		group, _, _ := strings.Cut(op.Name, ".")
		if len(nouns) == 0 || nouns[len(nouns)-1] != group {
			nouns = append(nouns, group)
		}
		if group == noun {
			same = append(same, op.Name)
		}
	}
	if same == nil {
		return fmt.Errorf(
			"there is no operation %q; operations are named noun.verb, and the nouns are %s", name,
			strings.Join(nouns, ", "),
		)
	}
	return fmt.Errorf("there is no operation %q; there are %s", name, strings.Join(same, ", "))
}

// printData prints the data of a response: indented, or unchanged with --json. Some
// operations respond without data.
func (a *app) printData(data json.RawMessage) error {
	if len(data) == 0 {
		return nil
	}
	var out bytes.Buffer
	if a.JSON {
		out.Write(data)
	} else if err := json.Indent(&out, data, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := a.stdout.Write(out.Bytes())
	return err
}
