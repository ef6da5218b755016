package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// callCmd calls any operation by its name.
type callCmd struct {
	Operation string `arg:"" complete:"operations" help:"Name of the operation, for example keys.verifyKey."`
	Request   string `arg:"" optional:"" default:"{}" placeholder:"JSON" help:"The request as JSON; - reads it from standard input, @FILE from a file."`
	Envelope  bool   `help:"Print data and pagination, as {\"data\":…,\"pagination\":…}."`
	All       bool   `help:"Print all items of a list, one JSON object a line, page after page."`
}

// Help are the examples of latchkey call --help.
func (callCmd) Help() string {
	return `Prints the data of the response; for a list, one page.

Examples:

    latchkey call apis.createApi '{"name":"my api"}'
    latchkey call keys.createKey @key.json
    latchkey call --all apis.listKeys '{"apiId":"api_…"}' > keys.jsonl
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
	if c.All {
		return c.all(ctx, a, client, request)
	}
	data, pagination, err := client.Call(ctx, op.Name, request)
	if err != nil {
		return err
	}
	if c.Envelope {
		return a.printEnvelope(data, pagination)
	}
	if pagination != nil && pagination.HasMore {
		fmt.Fprintf(a.stderr, "There is more; the next page has \"cursor\":%q\n", pagination.Cursor)
	}
	return a.printIndented(data)
}

// request returns the JSON to send.
func (c *callCmd) request(stdin io.Reader) (json.RawMessage, error) {
	text := []byte(c.Request)
	var err error
	if file, named := strings.CutPrefix(c.Request, "@"); named {
		text, err = os.ReadFile(file)
	} else if c.Request == "-" {
		text, err = io.ReadAll(stdin)
	}
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if !json.Valid(text) {
		return nil, errors.New(
			"the request is not valid JSON; quote it for the shell: '{\"name\":\"value\"}'",
		)
	}
	return text, nil
}

// printEnvelope prints data and pagination.
func (a *app) printEnvelope(data json.RawMessage, pagination *latchkey.Pagination) error {
	text, err := json.Marshal(struct {
		Data       json.RawMessage      `json:"data,omitempty"`
		Pagination *latchkey.Pagination `json:"pagination,omitempty"`
	}{data, pagination})
	if err != nil {
		return err
	}
	return a.printIndented(text)
}

// all prints all items of a list.
func (c *callCmd) all(
	ctx context.Context, a *app, client *latchkey.Client, request json.RawMessage,
) error {
	op, _ := latchkey.LookupOperation(c.Operation)
	if !op.Paged {
		return fmt.Errorf("%s is not a list; leave out --all", op.Name)
	}
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(request))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return errors.New("the request of a list must be a JSON object")
	}
	programs := *a
	programs.JSON = true
	return programs.list(ctx, client, op, fields, &Paging{All: true})
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
		if strings.EqualFold(op.Name, name) {
			return fmt.Errorf("there is no operation %q; did you mean %s?", name, op.Name)
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
