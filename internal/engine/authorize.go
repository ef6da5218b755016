package engine

import (
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
)

// ids are what a request names, under the names that the patterns of permissions
// have for them. In a rule an id that is not known stands for every one.
type ids struct {
	API       string `json:"apiId,omitzero"`
	Keyspace  string `json:"keyspaceId,omitzero"`
	Key       string `json:"keyId,omitzero"`
	Namespace string `json:"namespaceId,omitzero"`
	Override  string `json:"overrideId,omitzero"`
	Identity  string `json:"identityId,omitzero"`
}

// named returns the id of that name. Names are checked when the table is bound.
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
	}
	return "", false
}

// fill puts the ids into a pattern, and a * where there is none.
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

// everything is what is bound where a rule is asked about every id.
var everything ids

// rule is a rule of the table, ready to be asked.
type rule struct {
	when   latchkey.Condition
	anyOf  [][]permission
	masked bool
	bound  bool // there is an id in it
}

// permission is a pattern of the table: a tuple, or a resource name.
type permission struct {
	pattern string // of the tuple, or of the path of the resource
	every   string // the pattern with a * for each id
	action  string // of the resource; "" for a tuple

	before, id, after string // the tuple in pieces; id is the name of the id in it, if any
}

// compileRule prepares a rule. A pattern that names an unknown id is an error.
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

// heldForSome reports whether the grants have the permission for any ids.
func (p *permission) heldForSome(grants *rbac.Grants) bool {
	switch {
	case p.action != "":
		return grants.HasForSomeResource(p.pattern, p.action)
	case p.id != "":
		return grants.HasForSome(p.before, p.after)
	}
	return grants.Has(p.every)
}

// satisfied reports whether one of the alternatives is held as a whole.
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

// satisfiedForSome reports whether one of the alternatives may be held as a whole
// for some ids.
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

// missing says which permissions would satisfy the rule.
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

// texts are the permissions that satisfy the pattern.
func (p *permission) texts(workspace string, on *ids) []string {
	if p.action != "" {
		return []string{"unkey:v1:" + workspace + ":" + on.fill(p.pattern) + "#" + p.action}
	}
	if one := on.fill(p.pattern); one != p.every {
		return []string{p.every, one}
	}
	return []string{p.every}
}

// permits reports whether the caller satisfies those rules of its operation that
// apply under the condition, for these ids.
func (c *Caller) permits(when latchkey.Condition, on ids) bool {
	unsatisfied, err := c.op.unsatisfied(c, when, &on)
	return unsatisfied == nil && err == nil
}

// require refuses a caller that does not satisfy those rules of its operation
// that always apply, for these ids.
func (c *Caller) require(on ids) error { return c.requireWhen("", on) }

// requireWhen is require of the rules that apply under a condition.
func (c *Caller) requireWhen(when latchkey.Condition, on ids) error {
	unsatisfied, err := c.op.unsatisfied(c, when, &on)
	switch {
	case err != nil:
		return err
	case unsatisfied == nil:
		return nil
	case unsatisfied.masked:
		return c.op.notFound()
	}
	return unsatisfied.missing(c.root.workspace, &on)
}

// unsatisfied returns the first rule under the condition that the caller does not
// satisfy, if there is one. What the table doesn't declare can't be asked for.
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

// notHeld returns the first of the permissions that the caller can't hand on,
// because it does not hold it itself.
func (c *Caller) firstMissing(permissions []string) (string, bool) {
	for _, permission := range permissions {
		if !c.root.grants.Covers(permission) {
			return permission, true
		}
	}
	return "", false
}

// outlivedBy reports whether something that expires then outlives the caller.
func (c *Caller) outlivedBy(expires int64) bool {
	return c.root.expires != never && (expires == never || expires > c.root.expires)
}

// authCheck is a question that a change asked about its caller. Those of a change
// whose answer is kept are kept with it, and asked again of whoever repeats the
// request: the things that it named may be gone by then.
type authCheck struct {
	When    latchkey.Condition `json:"when,omitzero"`
	On      ids                `json:"on,omitzero"`
	HandsOn []string           `json:"handsOn,omitempty"` // permissions that the caller must hold
	Expires int64              `json:"expires,omitzero"`  // when what was made expires, unix ms, or never
}

// require is require of the caller of a change.
func (c *Change) require(on ids) error { return c.requireWhen("", on) }

// requireWhen is requireWhen of the caller of a change.
func (c *Change) requireWhen(when latchkey.Condition, on ids) error {
	c.checks = append(c.checks, authCheck{When: when, On: on})
	return c.who.requireWhen(when, on)
}

// repeatable asks of the caller what was asked when the kept answer was made.
func (c *Caller) recheck(checks []authCheck) error {
	for _, asked := range checks {
		if asked.HandsOn == nil && asked.Expires == 0 {
			if err := c.requireWhen(asked.When, asked.On); err != nil {
				return err
			}
			continue
		}
		if _, lacking := c.firstMissing(asked.HandsOn); lacking {
			return exceedsCaller()
		}
		if asked.Expires != 0 && c.outlivedBy(asked.Expires) {
			return outlivesCaller()
		}
	}
	return nil
}

// callable reports whether a root key with the grants may call the operation, and
// for which ids.
func (op *Op) callable(grants *rbac.Grants) (latchkey.CallableFor, bool) {
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
