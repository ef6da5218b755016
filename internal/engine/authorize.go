package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
)

// ids are the ids in a request, under their names in permission patterns. In a
// rule an empty id means all ids.
type ids struct {
	API       string `json:"apiId,omitzero"`
	Keyspace  string `json:"keyspaceId,omitzero"`
	Key       string `json:"keyId,omitzero"`
	Namespace string `json:"namespaceId,omitzero"`
	Override  string `json:"overrideId,omitzero"`
	Identity  string `json:"identityId,omitzero"`
	RootKey   string `json:"rootKeyId,omitzero"`
	Portal    string `json:"portalId,omitzero"`
	Budget    string `json:"budgetId,omitzero"`
}

// named returns the id of that name. The names are checked when the table of
// operations is bound.
func (on *ids) named(name string) (id string, known bool) {
	switch name {
	case "apiId":
		return on.API, true
	case "keyspaceId":
		return on.Keyspace, true
	case "keyId":
		return on.Key, true
	case "namespaceId":
		return on.Namespace, true
	case "overrideId":
		return on.Override, true
	case "identityId":
		return on.Identity, true
	case "rootKeyId":
		return on.RootKey, true
	case "portalId":
		return on.Portal, true
	case "budgetId":
		return on.Budget, true
	}
	return "", false
}

// fill replaces the names in a pattern by the ids, and by * where an id is empty.
func (on *ids) fill(pattern string) string {
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "{")
		text.WriteString(before)
		if !found {
			return text.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		id, _ := on.named(name)
		if id == "" {
			id = "*"
		}
		text.WriteString(id)
		pattern = after
	}
}

// everything binds all ids.
var everything ids

// rule is a compiled rule of the table of operations.
type rule struct {
	when   latchkey.Condition
	anyOf  [][]permission
	masked bool
	bound  bool // a pattern contains an id
}

// permission is a compiled permission pattern: a tuple or a resource name.
type permission struct {
	pattern string // of the tuple, or of the path of the resource
	every   string // the pattern with a * for each id
	action  string // of the resource; "" for a tuple

	before, id, after string // the parts of a tuple; id is the name of its id, if any
}

// compileRule compiles a rule. A pattern with an unknown id is an error.
func compileRule(declared latchkey.Rule) (rule, error) {
	r := rule{when: declared.When, masked: declared.Masked}
	for _, alternative := range declared.AnyOf {
		var all []permission
		for _, pattern := range alternative {
			p, err := compilePermission(pattern)
			if err != nil {
				return r, err
			}
			r.bound = r.bound || p.pattern != p.every
			all = append(all, p)
		}
		r.anyOf = append(r.anyOf, all)
	}
	return r, nil
}

func compilePermission(pattern string) (permission, error) {
	for rest := pattern; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, after, _ := strings.Cut(after, "}")
		if _, known := everything.named(name); !known {
			return permission{}, fmt.Errorf("%s: there is no id %q", pattern, name)
		}
		rest = after
	}
	var p permission
	p.pattern, p.action, _ = strings.Cut(pattern, "#")
	p.every = everything.fill(p.pattern)
	if before, rest, found := strings.Cut(pattern, "{"); found && p.action == "" {
		p.before = before
		p.id, p.after, _ = strings.Cut(rest, "}")
	}
	return p, nil
}

// held reports whether the grants have the permission for these ids.
func (p *permission) held(grants *rbac.Grants, on *ids) bool {
	if p.action != "" {
		return grants.HasResource(on.fill(p.pattern), p.action)
	}
	if grants.Has(p.every) {
		return true
	}
	id, _ := on.named(p.id)
	return id != "" && grants.HasFor(p.before, id, p.after)
}

// heldForSome reports whether the grants have the permission for some id.
func (p *permission) heldForSome(grants *rbac.Grants) bool {
	switch {
	case p.action != "":
		return grants.HasForSomeResource(p.pattern, p.action)
	case p.id != "":
		return grants.HasForSome(p.before, p.after)
	}
	return grants.Has(p.every)
}

// satisfied reports whether the grants have all permissions of an alternative.
func (r *rule) satisfied(grants *rbac.Grants, on *ids) bool {
	for _, all := range r.anyOf {
		held := true
		for i := range all {
			held = held && all[i].held(grants, on)
		}
		if held {
			return true
		}
	}
	return false
}

// satisfiedForSome reports whether the grants have all permissions of an
// alternative, each for some id.
func (r *rule) satisfiedForSome(grants *rbac.Grants) bool {
	for _, all := range r.anyOf {
		held := true
		for i := range all {
			held = held && all[i].heldForSome(grants)
		}
		if held {
			return true
		}
	}
	return false
}

// missing returns the error that names the permissions that satisfy the rule.
func (r *rule) missing(workspace string, on *ids) *latchkey.Error {
	var texts []string
	for _, all := range r.anyOf {
		for i := range all {
			texts = append(texts, all[i].texts(workspace, on)...)
		}
	}
	if len(texts) == 1 {
		return errNotPermitted.with("Missing permission: '%s'", texts[0])
	}
	return errNotPermitted.with("Missing one of these permissions: %s", strings.Join(texts, " or "))
}

// isPlain reports whether the action of a resource name is of the newer form.
func isPlain(action string) bool {
	return action != "" && action != "*" && !strings.Contains(action, "_")
}

// texts are the permissions that satisfy the pattern.
func (p *permission) texts(workspace string, on *ids) []string {
	if isPlain(p.action) {
		return nil // the others are shorter to read
	}
	if p.action != "" {
		return []string{"unkey:v1:" + workspace + ":" + on.fill(p.pattern) + "#" + p.action}
	}
	if one := on.fill(p.pattern); one != p.every {
		return []string{p.every, one}
	}
	return []string{p.every}
}

// permits reports whether the caller satisfies the rules of its operation under
// the condition, for these ids.
func (c *Caller) permits(when latchkey.Condition, on ids) bool {
	unsatisfied, err := c.op.unsatisfied(c, when, &on)
	return unsatisfied == nil && err == nil
}

// require returns an error unless the caller satisfies the unconditional rules
// of its operation, for these ids.
func (c *Caller) require(on ids) error { return c.requireWhen("", on) }

// requireWhen is require for the rules under a condition.
func (c *Caller) requireWhen(when latchkey.Condition, on ids) error {
	unsatisfied, err := c.op.unsatisfied(c, when, &on)
	switch {
	case err != nil:
		return err
	case unsatisfied == nil:
		return nil
	case unsatisfied.masked:
		return &maskedError{c.op.notFound()}
	}
	return unsatisfied.missing(c.root.workspace, &on)
}

// unsatisfied returns the first rule under the condition that the caller does
// not satisfy, or nil. Only conditions that the table declares can be checked.
func (op *Op) unsatisfied(who *Caller, when latchkey.Condition, on *ids) (*rule, error) {
	declared := false
	for i := range op.rules {
		r := &op.rules[i]
		if r.when != when {
			continue
		}
		declared = true
		if !r.satisfied(who.root.grants, on) {
			return r, nil
		}
	}
	if !declared {
		return nil, fmt.Errorf("%s declares no rule for when %q", op.Name, when)
	}
	return nil, nil
}

// declares reports whether the operation has a rule under the condition.
func (op *Op) declares(when latchkey.Condition) bool {
	for i := range op.rules {
		if op.rules[i].when == when {
			return true
		}
	}
	return false
}

// firstMissing returns the first of the permissions that the caller lacks.
func (c *Caller) firstMissing(permissions []string) (string, bool) {
	for _, permission := range permissions {
		if !c.root.grants.Covers(permission) && !c.satisfies(permission) {
			return permission, true
		}
	}
	return "", false
}

// satisfies reports whether the caller can do everything that a resource name of the newer
// form permits: for every id it satisfies each rule that the name could satisfy.
func (c *Caller) satisfies(permission string) bool {
	if _, action, found := strings.Cut(permission, "#"); !found || !isPlain(action) {
		return false
	}
	one := rbac.NewGrants(c.root.workspace, []string{permission})
	used := false
	for i := range allRules() {
		r := &allRules()[i]
		if !r.takesSome(one) {
			continue
		}
		if used = true; !r.satisfied(c.root.grants, &everything) {
			return false
		}
	}
	return used
}

// allRules are the rules of all operations. Methods can't refer to Ops for them, because it
// refers to methods.
var allRules = sync.OnceValue(func() (rules []rule) {
	for op := range latchkey.Operations() {
		for _, declared := range op.Rules {
			r, err := compileRule(declared)
			if err != nil {
				panic(err) // bind checks it first
			}
			rules = append(rules, r)
		}
	}
	return rules
})

// takesSome reports whether the grants have a resource name of an alternative for some id.
func (r *rule) takesSome(grants *rbac.Grants) bool {
	for _, all := range r.anyOf {
		for i := range all {
			if all[i].action != "" && all[i].heldForSome(grants) {
				return true
			}
		}
	}
	return false
}

// outlivedBy reports whether something with that expiry outlives the caller.
func (c *Caller) outlivedBy(expires int64) bool {
	return c.root.expires != never && (expires == never || expires > c.root.expires)
}

// authCheck is an authorization check that a change made. An idempotency record
// has the checks of its change. They run again for the caller of a repeated
// request, because the objects they refer to may no longer exist.
type authCheck struct {
	When      latchkey.Condition `json:"when,omitzero"`
	On        ids                `json:"on,omitzero"`
	Delegated []string           `json:"handsOn,omitempty"` // permissions that the caller must have
	Expires   int64              `json:"expires,omitzero"`  // of what it created, unix ms, or never
}

// require is [Caller.require], recorded for repeated requests.
func (c *Change) require(on ids) error { return c.requireWhen("", on) }

// requireWhen is [Caller.requireWhen], recorded once for repeated requests.
func (c *Change) requireWhen(when latchkey.Condition, on ids) error {
	made := func(a authCheck) bool {
		return a.When == when && a.On == on && a.Delegated == nil && a.Expires == 0
	}
	if !slices.ContainsFunc(c.checks, made) {
		c.checks = append(c.checks, authCheck{When: when, On: on})
	}
	return c.who.requireWhen(when, on)
}

// recheck runs the checks of an idempotency record for the caller.
func (c *Caller) recheck(checks []authCheck) error {
	for _, asked := range checks {
		if asked.Delegated == nil && asked.Expires == 0 {
			if err := c.requireWhen(asked.When, asked.On); err != nil {
				return err
			}
			continue
		}
		if _, lacking := c.firstMissing(asked.Delegated); lacking {
			return exceedsCaller()
		}
		if asked.Expires != 0 && c.outlivedBy(asked.Expires) {
			return outlivesCaller()
		}
	}
	return nil
}

// callable reports whether a root key with the grants can call the operation, and
// for which ids. It calls none of the operations of portal sessions and of holders of keys.
func (op *Op) callable(grants *rbac.Grants) (latchkey.CallableFor, bool) {
	if op.Scope != "" || op.Holder {
		return "", false
	}
	ids := latchkey.CallableForAll
	for i := range op.rules {
		r := &op.rules[i]
		switch {
		case r.when != "" || r.satisfied(grants, &everything):
		case r.satisfiedForSome(grants):
			ids = latchkey.CallableForSome
		default:
			return "", false
		}
	}
	return ids, true
}
