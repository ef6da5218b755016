package spec

import (
	"regexp"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// permission describes the permissions that an operation needs.
func permission(op *engine.Op) string {
	switch {
	case op.Public:
		return "**Permission**: None. The operation needs no root key."
	case op.Holder:
		return "**Permission**: The key that the request is about, as the bearer token in place of " +
			"a root key. Its API must offer the operation in `selfService` (apis.updateApi)."
	case len(op.Rules) == 0:
		return "**Permission**: None. Every root key can call the operation."
	}
	var needed []string
	for _, rule := range op.Rules {
		text := alternatives(rule)
		if rule.When != "" {
			text += ", when " + string(rule.When)
		}
		needed = append(needed, text)
	}
	if op.Delegates {
		needed = append(needed, "every permission that the other root key has or gets")
	}
	if op.Scope != "" {
		return "**Permission**: A portal session with the scope `" + op.Scope + "`, whose root key " +
			"has all of\n\n- " + strings.Join(needed, "\n- ")
	}
	text := "**Permission**: " + needed[0] + "."
	if len(needed) > 1 {
		text = "**Permission**: All of\n\n- " + strings.Join(needed, "\n- ") + "\n\n"
	}
	if op.Rules[0].Masked {
		text = strings.TrimSpace(text) +
			"\n\nWithout it, the response is the one for a resource that does not exist."
	}
	return strings.TrimSpace(text)
}

// alternatives describes a rule, of which any one alternative is enough.
func alternatives(rule latchkey.Rule) string {
	var any []string
	for _, all := range rule.AnyOf {
		var held []string
		for _, pattern := range all {
			held = append(held, spellings(pattern))
		}
		if len(held) == 1 {
			any = append(any, held[0])
			continue
		}
		any = append(any, "("+strings.Join(held, ") and (")+")")
	}
	return strings.Join(any, " or ")
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// spellings are the permissions that satisfy a pattern.
func spellings(pattern string) string {
	one := placeholder.ReplaceAllString(pattern, "<$1>")
	switch {
	case pattern == latchkey.Operator:
		return "`operator`"
	case strings.Contains(pattern, "#"):
		return "`unkey:v1:<workspaceId>:" + one + "`"
	case one == pattern:
		return "`" + pattern + "`"
	}
	return "`" + placeholder.ReplaceAllString(pattern, "*") + "` or `" + one + "`"
}
