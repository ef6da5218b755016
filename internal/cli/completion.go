package cli

import (
	"fmt"
	"slices"
	"strings"

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
func (c *completeCmd) Run(a *app, ctx *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range candidates(ctx.Model.Node, words) {
		fmt.Fprintln(a.stdout, candidate)
	}
	return nil
}

// candidates returns what the last word can become, given the words before it.
func candidates(node *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	position := 0
	for i := 0; i < len(before); i++ {
		if strings.HasPrefix(before[i], "-") {
			if takesNextWord(node, before[i]) {
				i++
			}
		} else if child := childNamed(node, before[i]); child != nil {
			node = child
		} else {
			position++
		}
		if i == len(before) {
			return nil // the current word is a flag's value
		}
	}
	return slices.DeleteFunc(expected(node, position, current), func(s string) bool {
		return !strings.HasPrefix(s, current)
	})
}

// expected returns the words that fit a place: flags if it begins like one,
// else subcommands or the values of an argument.
func expected(node *kong.Node, position int, current string) []string {
	var words []string
	if strings.HasPrefix(current, "-") {
		for _, flag := range flagsOf(node) {
			words = append(words, "--"+flag.Name)
		}
		return words
	}
	for _, child := range node.Children {
		if !child.Hidden {
			words = append(words, child.Name)
		}
	}
	if len(node.Positional) > 0 {
		words = append(words, values(node.Positional[min(position, len(node.Positional)-1)])...)
	}
	return words
}

// values returns the values of an argument that are known beforehand.
func values(argument *kong.Value) []string {
	switch argument.Tag.Get("complete") {
	case "operations":
		var names []string
		for op := range latchkey.Operations() {
			names = append(names, op.Name)
		}
		return names
	case "permissions":
		return latchkey.AllPermissions()
	}
	if argument.Enum == "" {
		return nil
	}
	return argument.EnumSlice()
}

// takesNextWord reports whether a word is a flag whose value is the next word.
func takesNextWord(node *kong.Node, word string) bool {
	for _, flag := range flagsOf(node) {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return !flag.IsBool()
		}
	}
	return false
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
