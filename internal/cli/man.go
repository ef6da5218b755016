package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// manCmd prints the manual page, for packages.
type manCmd struct{}

// Run prints the page, in the macros of man(7).
func (manCmd) Run(a *app) error {
	model := newParser(new(grammar), "~/.local/share/latchkey").Model
	var b strings.Builder
	b.WriteString(".TH LATCHKEY 1\n.SH NAME\nlatchkey \\- " + roff(model.Help) + "\n" +
		".SH SYNOPSIS\n.B latchkey\nCOMMAND [flags]\n.SH DESCRIPTION\n")
	manText(&b, model.Detail)
	b.WriteString(".SH FLAGS OF EVERY COMMAND\n")
	manFlags(&b, model.Flags)
	b.WriteString(".SH COMMANDS\n")
	for _, node := range model.Leaves(true) {
		fmt.Fprintf(&b, ".SS %s%s\n%s\n", roff(path(node)), roff(arguments(node)), roff(node.Help))
		manText(&b, node.Detail)
		manFlags(&b, node.Flags)
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// manText writes the longer help of a command. Its indented lines are examples.
func manText(b *strings.Builder, text string) {
	for l := range strings.Lines(strings.TrimSpace(text)) {
		l = strings.TrimSuffix(l, "\n")
		switch example, is := strings.CutPrefix(l, "    "); {
		case is:
			fmt.Fprintf(b, ".RS\n.nf\n%s\n.fi\n.RE\n", roff(example))
		case l == "":
			b.WriteString(".PP\n")
		default:
			b.WriteString(roff(l) + "\n")
		}
	}
}

func manFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden || flag.Name == "help" {
			continue
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s", roff(flagForm(flag)), roff(flag.Help))
		if len(flag.Envs) > 0 {
			fmt.Fprintf(b, " [%s]", roff(flag.Envs[0]))
		}
		b.WriteString("\n")
	}
}

// roff escapes text that isn't markup.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
