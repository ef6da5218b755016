package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

// A command whose tag op names an operation has no code of its own. Its struct is the
// request: each field is a flag or an argument, and its json tag is the field of the API.
// Further tags of the command are
//
//	with     fields of the request that are always the same: enabled=false,…
//	done     what is printed, with fields of the request and the response: "Deleted {apiId}."
//	         Without it, the data of the response is printed.
//	last     the field of the response that is printed alone on the last line
//	confirm  what is asked on a terminal first; the struct embeds Confirmed
//
// A list embeds Paging, and its table is in tables. An update whose fields can be removed
// embeds Clearing.

// Confirmed is the flag of commands that destroy something.
type Confirmed struct {
	Yes bool `short:"y" json:"-" help:"Don't ask for confirmation."`
}

// Clearing is the flag of updates that can remove a value.
type Clearing struct {
	Clear []string `json:"-" placeholder:"FLAG" help:"Remove the value of another flag, for example --clear name."`
}

// Paging are the flags of lists.
type Paging struct {
	Count int  `name:"limit" short:"n" json:"-" default:"100" placeholder:"N" help:"Show at most N (default: 100)."`
	All   bool `json:"-" help:"Show everything; with --json as one JSON object a line, page after page."`
}

// resolver is a field that the user can give as a name and the API wants as an id.
type resolver interface {
	resolve(ctx context.Context, client *latchkey.Client) error
}

// operate runs a command that is an operation.
func (a *app) operate(ctx context.Context, node *kong.Node) error {
	op, _ := latchkey.LookupOperation(node.Tag.Get("op"))
	client, err := a.clientFor(op)
	if held := part[HolderKey](node.Target); held != nil {
		client, err = a.clientWith(held.Key)
	}
	if err != nil {
		return err
	}
	if err := resolveNames(ctx, client, node.Target); err != nil {
		return err
	}
	request, err := requestOf(node)
	if err != nil {
		return err
	}
	if err := a.confirm(node, request); err != nil {
		return err
	}
	if op.Paged {
		pages := part[Paging](node.Target)
		return a.list(ctx, client, op, request, pages)
	}
	data, _, err := client.Call(ctx, op.Name, request)
	if err != nil {
		return err
	}
	return a.printResult(node, request, data)
}

// part returns a struct that another one embeds, or its zero value.
func part[T any](v reflect.Value) *T {
	for i := range v.NumField() {
		if found, ok := v.Field(i).Interface().(T); ok {
			return &found
		}
	}
	return nil
}

// resolveNames replaces names by ids in all fields of a request, those of the structs that it
// embeds among them.
func resolveNames(ctx context.Context, client *latchkey.Client, v reflect.Value) error {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := resolveNames(ctx, client, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		if field, ok := v.Field(i).Addr().Interface().(resolver); ok && !v.Field(i).IsZero() {
			if err := field.resolve(ctx, client); err != nil {
				return err
			}
		}
	}
	return nil
}

// requestOf returns the fields of a request.
func requestOf(node *kong.Node) (map[string]any, error) {
	text, err := json.Marshal(node.Target.Addr().Interface())
	if err != nil {
		return nil, err
	}
	request := map[string]any{}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(&request); err != nil {
		return nil, err
	}
	for pair := range strings.SplitSeq(node.Tag.Get("with"), ",") {
		if name, value, found := strings.Cut(pair, "="); found {
			request[name] = constant(value)
		}
	}
	if c := part[Clearing](node.Target); c != nil {
		return request, c.apply(node, request)
	}
	return request, nil
}

func constant(text string) any {
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	return text
}

// apply sets the fields that are to be removed to null.
func (c *Clearing) apply(node *kong.Node, request map[string]any) error {
	for _, name := range c.Clear {
		field, none := fieldOf(node, name)
		if field == "" {
			return fmt.Errorf("--clear %s: there is no flag --%s; see %s --help", name, name, path(node))
		}
		if _, given := request[field]; given {
			return fmt.Errorf("--clear %s and --%s exclude one another", name, name)
		}
		request[field] = none
	}
	return nil
}

// fieldOf returns the field of the request that a flag sets, and what it is without a value.
func fieldOf(node *kong.Node, flag string) (field string, none any) {
	for _, f := range node.Flags {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Name == flag && name != "-" {
			if f.Target.Kind() == reflect.Slice {
				return name, []string{}
			}
			return name, nil
		}
	}
	return "", nil
}

// errNotConfirmed is the answer to a question that wasn't yes.
var errNotConfirmed = errors.New("nothing was changed")

// confirm asks on a terminal before something is destroyed. For programs nothing is asked.
func (a *app) confirm(node *kong.Node, request map[string]any) error {
	c := part[Confirmed](node.Target)
	if c == nil || c.Yes || !a.terminal() {
		return nil
	}
	return a.ask(fill(node.Tag.Get("confirm"), request))
}

// ask asks whether to continue. The error is errNotConfirmed if the answer isn't yes.
func (a *app) ask(what string) error {
	fmt.Fprintf(a.stderr, "%s Continue? [y/N] ", what)
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	if err != nil || answer != "y" && answer != "yes" {
		return errNotConfirmed
	}
	return nil
}

// printResult prints the response to an operation.
func (a *app) printResult(node *kong.Node, request map[string]any, data json.RawMessage) error {
	done, last := node.Tag.Get("done"), node.Tag.Get("last")
	switch {
	case a.JSON && (len(data) == 0 || string(data) == "null"):
		return a.printJSON(struct{}{})
	case a.JSON || done == "" && last == "":
		return a.printData(data)
	}
	fields := request
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &fields); err != nil {
			return err
		}
	}
	text := fill(done, fields) + "\n"
	if last != "" {
		text += fmt.Sprintf("%v\n", fields[last])
	}
	_, err := fmt.Fprint(a.stdout, text)
	return err
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// fill puts the values of fields into a text.
func fill(text string, fields map[string]any) string {
	return placeholder.ReplaceAllStringFunc(text, func(field string) string {
		return clean([]string{fmt.Sprint(fields[strings.Trim(field, "{}")])})[0]
	})
}

// list prints a list, page after page.
func (a *app) list(
	ctx context.Context, client *latchkey.Client, op *latchkey.Operation, request map[string]any,
	p *Paging,
) error {
	out := a.listing(op.Name, p.All)
	for shown := 0; ; {
		if !p.All {
			request["limit"] = min(p.Count-shown, 100)
		}
		data, pagination, err := client.Call(ctx, op.Name, request)
		if err != nil {
			return err
		}
		count, err := out.page(data)
		if err != nil {
			return err
		}
		shown += count
		if pagination == nil || !pagination.HasMore {
			return out.end()
		}
		if !p.All && shown >= p.Count {
			fmt.Fprintf(a.stderr, "There are more than these %d; --all shows all, -n N more of them.\n",
				shown)
			return out.end()
		}
		request["cursor"] = pagination.Cursor
	}
}
