package cli

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// normalize turns what people also write into what the grammar knows: help, a command before
// its --help, -v for the version.
func normalize(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "-v" || args[0] == "--version":
		return []string{"version"}
	}
	return withFlags(args)
}

// withFlags turns the settings of updates in their earlier form, name=value with the names of
// the API, into flags.
func withFlags(args []string) []string {
	at := slices.Index(args, "update")
	if at < 1 || !slices.Contains([]string{"apis", "namespaces", "root-keys"}, args[at-1]) {
		return args
	}
	flags := slices.Clone(args[:at])
	for _, arg := range args[at:] {
		name, value, setting := strings.Cut(arg, "=")
		switch flag := "--" + hyphenated(name); {
		case !setting || !earlierSetting.MatchString(name):
			flags = append(flags, arg)
		case value == "null":
			flags = append(flags, "--clear="+flag[2:])
		case name == "permissions":
			for one := range strings.SplitSeq(value, ",") {
				flags = append(flags, "--permission="+one)
			}
		default:
			flags = append(flags, flag+"="+value)
		}
	}
	return flags
}

var (
	earlierSetting = regexp.MustCompile("^[a-z][a-zA-Z]*$")
	capitals       = regexp.MustCompile("[A-Z]+")
)

// hyphenated returns the flag for a field of the API: ip-whitelist for ipWhitelist.
func hyphenated(field string) string {
	return strings.ToLower(capitals.ReplaceAllString(field, "-$0"))
}

// usage reports a command line that can't be run. A noun without a verb gets its help.
func usage(parser *kong.Kong, args []string, err error) int {
	at := "latchkey"
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		node := deepest(wrong.Context)
		at = path(node)
		noun := node.Type == kong.CommandNode && !node.Leaf()
		if noun && args[len(args)-1] == node.Name {
			if _, again := parser.Parse(append(slices.Clone(args), "--help")); again == nil {
				return exitOK
			}
		}
	}
	if slices.Contains(args, "--json") {
		(&app{stderr: os.Stderr}).writeFailure(failure{
			Code: "usage", Message: err.Error(), Hint: at + " --help says more",
		})
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "latchkey: %v\n%s --help says more\n", err, at)
	return exitUsage
}

// deepest returns the command that was understood last.
func deepest(ctx *kong.Context) *kong.Node {
	node := ctx.Model.Node
	for _, path := range ctx.Path {
		if path.Command != nil {
			node = path.Command
		}
	}
	return node
}

// path returns the words that call a command.
func path(node *kong.Node) string {
	if node.Parent == nil {
		return node.Name
	}
	return path(node.Parent) + " " + node.Name
}
