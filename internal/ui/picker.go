package ui

import (
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// permissionGroup is a part of the permissions of root keys.
type permissionGroup struct {
	Title, Text string
	Permissions []permissionChoice
	Chosen      int
}

// permissionChoice is a permission in the picker.
type permissionChoice struct {
	Name    string // such as api.*.verify_key
	Action  string // such as verify_key
	Text    string
	Chosen  bool
	Secrets bool // who has it sees secrets
	Missing bool // the caller doesn't hold it, so he can't give it
}

// groupsOfPermissions are the parts of the picker, by the beginnings of tuples. Those of keys
// are the actions on APIs that end in _key.
var groupsOfPermissions = []struct{ kind, title, text string }{
	{"key", "Keys", "issue, change, check and delete keys of an API"},
	{"api", "APIs", "the sets that keys are in"},
	{"identity", "Identities", "who keys belong to"},
	{"rbac", "Roles and permissions", "what keys may do"},
	{"ratelimit", "Rate limits", "limits that belong to no key"},
	{"portal", "Portals", "pages for your end users"},
	{"root_key", "Root keys", "keys to this API"},
	{"webhook", "Webhooks", "events for your services"},
	{"", "Workspace", "what happened, what is used, and moving in"},
}

// texts say what a permission is for. One without a text names its operations.
var texts = map[string]string{
	"api.create_key":                   "Create keys, and reroll them.",
	"api.read_key":                     "List keys and see their settings. Never secrets.",
	"api.update_key":                   "Change name, limits, credits, roles, and switch on or off.",
	"api.verify_key":                   "Check whether a key may pass. All that a server needs.",
	"api.delete_key":                   "Delete keys. Stops them at once.",
	"api.encrypt_key":                  "Create keys that can be shown again later.",
	"api.decrypt_key":                  "Show a recoverable key in full.",
	"api.read_analytics":               "Ask how keys were used.",
	"api.create_api":                   "Create APIs.",
	"api.read_api":                     "See APIs and their settings.",
	"api.update_api":                   "Change the settings of APIs.",
	"api.delete_api":                   "Delete APIs with all their keys.",
	"identity.create_identity":         "Create identities.",
	"identity.read_identity":           "See identities, their limits and metadata.",
	"identity.update_identity":         "Change limits and metadata, and switch on or off.",
	"identity.delete_identity":         "Delete identities.",
	"rbac.create_permission":           "Create permissions.",
	"rbac.read_permission":             "See permissions.",
	"rbac.update_permission":           "Change permissions.",
	"rbac.delete_permission":           "Delete permissions, and take them from keys.",
	"rbac.create_role":                 "Create roles.",
	"rbac.read_role":                   "See roles.",
	"rbac.update_role":                 "Change names and descriptions of roles.",
	"rbac.delete_role":                 "Delete roles, and take them from keys.",
	"rbac.add_permission_to_role":      "Give permissions to roles.",
	"rbac.remove_permission_from_role": "Take permissions from roles.",
	"rbac.add_permission_to_key":       "Give permissions to keys.",
	"rbac.remove_permission_from_key":  "Take permissions from keys.",
	"rbac.add_role_to_key":             "Give roles to keys.",
	"ratelimit.limit":                  "Check and count a limit. All that a server needs.",
	"ratelimit.create_namespace":       "Create namespaces by using them.",
	"ratelimit.read_namespace":         "See namespaces.",
	"ratelimit.update_namespace":       "Change namespaces.",
	"ratelimit.delete_namespace":       "Delete namespaces.",
	"ratelimit.set_override":           "Set other limits for some identifiers.",
	"ratelimit.read_override":          "See overrides.",
	"ratelimit.delete_override":        "Delete overrides.",
	"ratelimit.read_analytics":         "Ask how limits were used.",
	"root_key.create_root_key":         "Create root keys that can do no more than this one.",
	"root_key.read_root_key":           "See root keys and what they can do. Never secrets.",
	"root_key.update_root_key":         "Change root keys, and switch them on or off.",
	"root_key.delete_root_key":         "Delete root keys. Stops them at once.",
	"audit_log.read_audit_log":         "See who changed what.",
	"migration.create_migration":       "Begin to move keys in from another system.",
	"webhook.create_webhook":           "Create webhooks, and see their secrets once.",
	"webhook.read_webhook":             "See webhooks and what was sent.",
	"webhook.update_webhook":           "Change webhooks, make new secrets, send again.",
	"webhook.delete_webhook":           "Delete webhooks with their logs.",
	"workspace.read_limits":            "See what the workspace may use.",
	"workspace.read_usage":             "See what the workspace used.",
	"portal.create_portal":             "Create portals.",
	"portal.read_portal":               "See portals.",
	"portal.update_portal":             "Change portals.",
	"portal.delete_portal":             "Delete portals.",
	"portal.create_portal_session":     "Send end users to a portal, and end their visits.",
}

// secrets are the permissions with which one sees secrets of others.
var secrets = []string{"api.decrypt_key"}

// purposes are what root keys are for, with what they need for it.
var purposes = []struct{ name, text string }{
	{"checking", "Checking keys"}, {"issuing", "Issuing keys"}, {"limits", "Rate limits only"},
	{"reading", "Reading everything"}, {"all", "Everything"},
}

// purposeNamed returns the permissions for a purpose, none for one that isn't known.
func purposeNamed(name string) []string {
	var chosen []string
	for _, p := range latchkey.AllPermissions() {
		short := shortOf(p)
		_, action, _ := strings.Cut(short, ".")
		take := false
		switch name {
		case "checking":
			take = short == "api.verify_key"
		case "issuing":
			take = slices.Contains(issuing, short)
		case "limits":
			take = short == "ratelimit.limit" || short == "ratelimit.create_namespace"
		case "reading":
			take = strings.HasPrefix(action, "read_")
		case "all":
			take = true
		}
		if take {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// issuing is what a service needs that gives keys to its users.
var issuing = []string{
	"api.read_api", "api.create_key", "api.read_key", "api.update_key", "api.verify_key",
	"api.delete_key", "identity.create_identity", "identity.read_identity",
	"identity.update_identity", "rbac.read_role", "rbac.read_permission", "rbac.add_role_to_key",
}

// shortOf returns a tuple without its id: api.verify_key for api.*.verify_key. It returns ""
// for permissions in another form.
func shortOf(permission string) string {
	kind, rest, found := strings.Cut(permission, ".")
	last := strings.LastIndexByte(rest, '.')
	if !found || last < 0 || strings.Contains(permission, "#") {
		return ""
	}
	return kind + rest[last:]
}

// kindOf returns the group of a tuple.
func kindOf(short string) string {
	kind, action, _ := strings.Cut(short, ".")
	if kind == "api" && (strings.HasSuffix(action, "_key") || action == "read_analytics") {
		return "key"
	}
	if slices.ContainsFunc(groupsOfPermissions, func(g struct{ kind, title, text string }) bool {
		return g.kind == kind
	}) {
		return kind
	}
	return ""
}

// picker returns all permissions of the table, those that are chosen marked.
func picker(chosen map[string]bool, held []string) []permissionGroup {
	var all []permissionChoice
	for _, name := range latchkey.AllPermissions() {
		one := choiceOf(name)
		one.Chosen, one.Missing = chosen[name], !mayGive(held, name)
		all = append(all, one)
	}
	return grouped(all)
}

// held returns the permissions that a root key has, and those in other forms.
func held(permissions []string) (groups []permissionGroup, others []string) {
	var all []permissionChoice
	for _, name := range permissions {
		if shortOf(name) == "" {
			others = append(others, name)
			continue
		}
		one := choiceOf(name)
		one.Chosen = true
		all = append(all, one)
	}
	return grouped(all), others
}

func choiceOf(name string) permissionChoice {
	short := shortOf(name)
	_, action, _ := strings.Cut(short, ".")
	text := texts[short]
	if text == "" {
		text = "For " + strings.Join(operationsOf(name), ", ") + "."
	}
	return permissionChoice{
		Name: name, Action: action, Text: text, Secrets: slices.Contains(secrets, short),
	}
}

// grouped puts permissions into their groups. Those without any are left out.
func grouped(all []permissionChoice) (groups []permissionGroup) {
	for _, g := range groupsOfPermissions {
		group := permissionGroup{Title: g.title, Text: g.text}
		for _, p := range all {
			if kindOf(shortOf(p.Name)) != g.kind {
				continue
			}
			group.Permissions = append(group.Permissions, p)
			if p.Chosen {
				group.Chosen++
			}
		}
		if len(group.Permissions) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

// operationsOf returns the operations that a permission is for.
func operationsOf(permission string) (names []string) {
	for op := range latchkey.Operations() {
		for _, rule := range op.Rules {
			for _, pattern := range slices.Concat(rule.AnyOf...) {
				if shortOf(pattern) == shortOf(permission) && !slices.Contains(names, op.Name) {
					names = append(names, op.Name)
				}
			}
		}
	}
	return names
}

// mayGive reports whether somebody who holds permissions can give one to another root key,
// as far as the names say it. The service decides.
func mayGive(held []string, permission string) bool {
	return slices.ContainsFunc(held, func(h string) bool {
		return h == latchkey.Operator || shortOf(h) == shortOf(permission) ||
			shortOf(h) == "" || strings.HasSuffix(h, "*")
	})
}

// reach says in words what a root key can do.
func reach(permissions []string) string {
	if slices.Contains(permissions, latchkey.Operator) {
		return "Everything, in every workspace"
	}
	all := latchkey.AllPermissions()
	missing := slices.DeleteFunc(all, func(p string) bool { return slices.Contains(permissions, p) })
	if len(missing) == 0 {
		return "Everything in this workspace"
	}
	var words []string
	for _, p := range permissions {
		word := p
		if short := shortOf(p); short != "" {
			word = inWords(short)
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	const shown = 4
	text := strings.Join(words[:min(len(words), shown)], ", ")
	if more := len(words) - shown; more > 0 {
		text += " and " + number(int64(more)) + " more"
	}
	return sentenceCase(text)
}

// inWords returns a tuple without its id in words: verify keys for api.verify_key.
func inWords(short string) string {
	_, action, _ := strings.Cut(short, ".")
	if action == "limit" {
		return "count limits"
	}
	words := strings.ReplaceAll(action, "_", " ")
	switch {
	case strings.HasSuffix(words, " api"):
		words = strings.TrimSuffix(words, "api") + "APIs"
	case strings.HasSuffix(words, "y") && !strings.HasSuffix(words, "key"):
		words = strings.TrimSuffix(words, "y") + "ies"
	case !strings.HasSuffix(words, "s") && !strings.HasSuffix(words, "usage"):
		words += "s"
	}
	return words
}

func sentenceCase(text string) string {
	if text == "" {
		return "Nothing"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
