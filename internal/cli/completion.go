package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

// completionScripts ask latchkey complete for what may come next, so that they
// never differ from the grammar. Each offers files where there is no answer.
var completionScripts = map[string]string{
	"bash": `_latchkey() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(latchkey complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _latchkey latchkey
`,
	"zsh": `#compdef latchkey
_latchkey() {
  local -a found
  found=("${(@f)$(latchkey complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found" ]] && compadd -- "${found[@]}" || _files
}
compdef _latchkey latchkey
`,
	"fish": `function __latchkey_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  latchkey complete -- $words[2..-1] "$current" 2>/dev/null
end
complete -c latchkey -n 'count (__latchkey_complete) >/dev/null' -f -a '(__latchkey_complete)'
`,
}

// completionCmd prints a completion script.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Your shell: ${enum}."`
}

// Help says where the script goes.
func (completionCmd) Help() string {
	return `Examples:

    source <(latchkey completion bash)    # in ~/.bashrc
    source <(latchkey completion zsh)     # in ~/.zshrc, after compinit
    latchkey completion fish > ~/.config/fish/completions/latchkey.fish`
}

// Run prints the script.
func (c *completionCmd) Run(a *app) error {
	_, err := fmt.Fprint(a.stdout, completionScripts[c.Shell])
	return err
}

// completeCmd answers the completion scripts.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints the candidates, one a line.
func (c *completeCmd) Run(ctx context.Context, a *app, parsed *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range a.candidates(ctx, parsed.Model.Node, words) {
		fmt.Fprintln(a.stdout, candidate)
	}
	return nil
}

// candidates returns what the last word can become, given the words before it.
func (a *app) candidates(ctx context.Context, node *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	position := 0
	var found []string
	for i := 0; i < len(before); i++ {
		if flag := flagNamed(node, before[i]); flag != nil && !flag.IsBool() {
			if i++; i == len(before) { // the current word is the flag's value
				return beginningWith(current, a.values(ctx, flag.Value, current))
			}
		} else if child := childNamed(node, before[i]); child != nil {
			node = child
		} else if !strings.HasPrefix(before[i], "-") {
			position++
		}
	}
	if strings.HasPrefix(current, "-") {
		for _, flag := range flagsOf(node) {
			found = append(found, "--"+flag.Name)
		}
		return beginningWith(current, found)
	}
	for _, child := range node.Children {
		if !child.Hidden {
			found = append(found, child.Name)
		}
	}
	if len(node.Positional) > 0 {
		argument := node.Positional[min(position, len(node.Positional)-1)]
		found = append(found, a.values(ctx, argument, current)...)
	}
	return beginningWith(current, found)
}

func beginningWith(prefix string, words []string) []string {
	return slices.DeleteFunc(words, func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

// values returns the values that an argument or a flag can have, as far as they are known or
// the service knows them.
func (a *app) values(ctx context.Context, value *kong.Value, current string) []string {
	source := value.Tag.Get("complete")
	operation, field, listed := strings.Cut(source, " ")
	switch {
	case source == "operations":
		var names []string
		for op := range latchkey.Operations() {
			names = append(names, op.Name)
		}
		return names
	case source == "permissions":
		return latchkey.AllPermissions()
	case source == "profiles":
		all, _ := loadProfiles() // without them there is nothing to complete
		return slices.Sorted(maps.Keys(all.Profiles))
	case listed:
		return a.listed(ctx, operation, field, current)
	case value.Enum == "":
		return nil
	}
	return value.EnumSlice()
}

// completionTimeout bounds how long a person waits for a completion.
const completionTimeout = 2 * time.Second

// listed returns a field of the items that the service lists.
func (a *app) listed(ctx context.Context, operation, field, current string) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	client, err := a.client()
	if err != nil {
		return nil
	}
	request := map[string]any{}
	if operation != "rootKeys.listRootKeys" { // the only list without a search
		request["search"] = current
	}
	data, _, err := client.Call(ctx, operation, request)
	if err != nil {
		return nil
	}
	var items []map[string]any
	if err := json.Unmarshal(data, &items); err != nil {
		return nil
	}
	for _, item := range items {
		if name, ok := item[field].(string); ok && clean([]string{name})[0] == name {
			names = append(names, name)
		}
	}
	return names
}

// flagNamed returns the flag that a word is, or nil.
func flagNamed(node *kong.Node, word string) *kong.Flag {
	for _, flag := range flagsOf(node) {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}

// flagsOf returns the flags of a command and of those above it.
func flagsOf(node *kong.Node) []*kong.Flag { return slices.Concat(node.AllFlags(true)...) }

func childNamed(node *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return node.Children[i]
}
