package cli

import (
	"cmp"
	_ "embed" // the introduction
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// introduction is the part of docs/cli.md that is written by hand.
//
//go:embed introduction.md
var introduction string

// Manual returns docs/cli.md.
func Manual() string {
	parser := newParser(new(grammar), "~/.local/share/latchkey")
	var b strings.Builder
	b.WriteString(introduction)
	b.WriteString("## Flags of every command\n\n")
	writeFlags(&b, parser.Model.Flags)
	for _, group := range []string{"service", "manage", "local"} {
		for _, node := range parser.Model.Children {
			if node.Group != nil && node.Group.Key == group && !node.Hidden {
				writeCommand(&b, node)
			}
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// writeCommand writes a command, and those below it.
func writeCommand(b *strings.Builder, node *kong.Node) {
	level := "##"
	if node.Parent.Parent != nil {
		level = "###"
	}
	fmt.Fprintf(b, "%s %s\n\n%s\n\n", level, path(node), node.Help)
	if node.Leaf() {
		fmt.Fprintf(b, "```\n%s%s\n```\n\n", path(node), arguments(node))
		writeDetail(b, node.Detail)
		writeFlags(b, node.Flags)
	}
	for _, child := range node.Children {
		writeCommand(b, child)
	}
}

// arguments writes the arguments of a command.
func arguments(node *kong.Node) string {
	text := ""
	for _, argument := range node.Positional {
		text += " " + argument.Summary()
	}
	for _, flag := range node.Flags {
		if flag.Required {
			text += " " + flagForm(flag)
		}
	}
	if len(node.Flags) > 0 {
		text += " [flags]"
	}
	return text
}

// writeDetail writes the longer help of a command. Its indented lines are examples.
func writeDetail(b *strings.Builder, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	inside := false
	for l := range strings.Lines(text) {
		example := strings.HasPrefix(l, "    ")
		if example != inside && strings.TrimSpace(l) != "" {
			b.WriteString("```\n")
			inside = example
		}
		b.WriteString(strings.TrimPrefix(l, "    "))
	}
	b.WriteString("\n")
	if inside {
		b.WriteString("```\n")
	}
	b.WriteString("\n")
}

// writeFlags writes a table of flags.
func writeFlags(b *strings.Builder, flags []*kong.Flag) {
	header := "| flag | what |\n|---|---|\n"
	for _, flag := range flags {
		if flag.Hidden || flag.Name == "help" {
			continue
		}
		b.WriteString(header)
		header = ""
		what := strings.ReplaceAll(flag.Help, "|", `\|`)
		if len(flag.Envs) > 0 {
			what += " `" + flag.Envs[0] + "`"
		}
		if flag.HasDefault && !strings.Contains(flag.Help, "default") && flag.Default != "" {
			what += fmt.Sprintf(" Default: `%s`.", flag.Default)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", flagForm(flag), what)
	}
	if header == "" {
		b.WriteString("\n")
	}
}

// flagForm writes a flag as it is given.
func flagForm(flag *kong.Flag) string {
	form := "--" + flag.Name
	switch {
	case flag.Tag.Negatable != "":
		form = "--[no-]" + flag.Name
	case !flag.IsBool():
		form += " " + cmp.Or(strings.ReplaceAll(flag.PlaceHolder, "|", `\|`), "VALUE")
	}
	if flag.Short != 0 {
		form = "-" + string(flag.Short) + ", " + form
	}
	return form
}
