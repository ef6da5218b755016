package spec

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// permissionsIntroduction is what the page of permissions says before its tables.
//
//go:embed permissions.md
var permissionsIntroduction string

// PermissionsPage returns the page that lists the permissions of root keys, as Markdown.
func PermissionsPage() string {
	var b strings.Builder
	b.WriteString(permissionsIntroduction)
	b.WriteString("\n## What each operation needs\n")
	var last string
	for _, op := range engine.Ops {
		if op.Public || op.Scope != "" || op.Holder {
			continue
		}
		if name := group(op); name != last {
			fmt.Fprintf(&b, "\n### %s\n\n| operation | permissions |\n|---|---|\n", name)
			last = name
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", op.Name, permissionCell(op))
	}
	return b.String()
}

// permissionCell describes the permissions that an operation needs in a cell of a table.
func permissionCell(op *engine.Op) string {
	if len(op.Rules) == 0 {
		return "none: every root key can call it"
	}
	var rules []string
	for _, rule := range op.Rules {
		text := tupleAlternatives(rule)
		if rule.When != "" {
			text = string(rule.When) + ": " + text
		}
		rules = append(rules, text)
	}
	if op.Delegates {
		rules = append(rules, "every permission that the other root key has or gets")
	}
	return strings.Join(rules, "<br>")
}

// tupleAlternatives describes a rule by the tuples that satisfy it. Resource names satisfy
// the same rules, so they are left out.
func tupleAlternatives(rule latchkey.Rule) string {
	var any []string
	for _, all := range rule.AnyOf {
		var held []string
		for _, pattern := range all {
			if !strings.Contains(pattern, "#") {
				held = append(held, "`"+placeholder.ReplaceAllString(pattern, "*")+"`")
			}
		}
		if len(held) > 0 {
			any = append(any, strings.Join(held, " and "))
		}
	}
	return strings.Join(any, " or ")
}
