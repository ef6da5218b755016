package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// judge holds every answer to the first outcome that it fits, and every outcome
// to the number of its answers.
func (p *player) judge(outcomes []outcome, answers []*answer) error {
	counts := make([]int, len(outcomes))
	for _, a := range answers {
		p.last = a
		err := errors.New("the script doesn't say what must be answered")
		for i, o := range outcomes {
			if err = p.fits(o, a); err == nil {
				counts[i]++
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, a)
		}
	}
	for i, o := range outcomes {
		if counts[i] != o.times {
			return fmt.Errorf("%d answers are like outcome %d, want %d", counts[i], i+1, o.times)
		}
	}
	return nil
}

// fits compares an answer with an outcome. The envelope belongs to it: what is
// true of every success and every error needn't be said in scripts.
func (p *player) fits(o outcome, a *answer) error {
	if a.status != o.status {
		return fmt.Errorf("the status is %d, want %d", a.status, o.status)
	}
	var got map[string]any
	if err := decode(a.text, &got); err != nil {
		return err
	}
	id := a.header.Get("X-Request-Id")
	if err := p.match("?:req_*", id, "header X-Request-Id"); err != nil {
		return err
	}
	want := maps.Clone(o.want)
	if o.kind != "" {
		want = map[string]any{"error": problem(o)}
	}
	want["meta"] = map[string]any{"requestId": id}
	if err := p.match(want, got, "answer"); err != nil {
		return err
	}
	if o.kind == "" {
		return p.match("application/json", a.header.Get("Content-Type"), "header Content-Type")
	}
	return faultsAt(o.faults, got["error"].(map[string]any)["errors"])
}

// problem is what the error member must be: it says everything, and it has a
// list of faults where clients expect one and none elsewhere.
func problem(o outcome) map[string]any {
	kind := o.kind[strings.LastIndexByte(o.kind, '/')+1:]
	title, ok := map[string]string{
		"insufficient_permissions": "Insufficient Permissions",
		"key_disabled":             "Key is disabled",
		"workspace_disabled":       "Workspace is disabled",
		"protected_resource":       "Resource is protected",
		"ratelimit_namespace_gone": "Resource Gone",
	}[kind]
	if !ok {
		title = http.StatusText(o.status)
	}
	if o.status == http.StatusConflict {
		title = "Conflicting Resource"
	}
	want := map[string]any{
		"title": title, "detail": "?:^.", "status": json.Number(strconv.Itoa(o.status)),
		"type": "https://unkey.com/docs/errors/" + o.kind,
	}
	if slices.Contains([]int{400, 408, 413, 499}, o.status) {
		want["errors"] = `?:^\[`
	}
	maps.Copy(want, o.want)
	return want
}

// faultsAt looks for faults at these places; "[]" wants that there are none.
func faultsAt(want []string, faults any) error {
	list, _ := faults.([]any)
	var places []string
	for _, f := range list {
		fault, _ := f.(map[string]any)
		places = append(places, fmt.Sprint(fault["location"]))
	}
	for _, place := range want {
		if place == "[]" && len(places) > 0 || place != "[]" && !slices.Contains(places, place) {
			return fmt.Errorf("the faults are at %q, want %s", places, place)
		}
	}
	return nil
}

// match compares JSON values. path says where in the answer they are.
func (p *player) match(want, got any, path string) error {
	switch want := want.(type) {
	case string:
		return p.matchText(want, got, path)
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			return p.matchObject(want, got, path)
		}
	case []any:
		list, ok := got.([]any)
		if ok && len(want) > 0 && want[0] == "~" {
			return p.matchAnyOrder(want[1:], list, path)
		}
		if ok && len(want) == len(list) {
			for i := range want {
				if err := p.match(want[i], list[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return same(want, got, path)
}

func (p *player) matchObject(want, got map[string]any, path string) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := got[name]
		switch {
		case name == "...":
			continue
		case !ok:
			return fmt.Errorf("%s.%s is missing", path, name)
		}
		if err := p.match(want[name], value, path+"."+name); err != nil {
			return err
		}
	}
	_, more := want["..."]
	for name, value := range got {
		if _, ok := want[name]; !ok && !more {
			return fmt.Errorf("%s.%s is %s, want it absent", path, name, show(value))
		}
	}
	return nil
}

// matchAnyOrder gives each wanted item the first of the others that fits it.
func (p *player) matchAnyOrder(want, got []any, path string) error {
	rest := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(rest, func(g any) bool { return p.match(w, g, path) == nil })
		if i < 0 {
			return fmt.Errorf("%s is %s and lacks %s", path, show(got), show(w))
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s is %s, of which %s is too much", path, show(got), show(rest))
	}
	return nil
}

var (
	anyText  = regexp.MustCompile(`^\?([a-z][A-Za-z0-9]*)?(?::(.+))?$`)
	idPrefix = regexp.MustCompile(`^[a-z]+_\*$`)
	inRange  = regexp.MustCompile(`^(\d+)\.\.(\d+)$`)
)

// matchText compares with a text, which may stand for something else.
func (p *player) matchText(want string, got any, path string) error {
	m := anyText.FindStringSubmatch(want)
	if m == nil {
		value, err := p.expected(want)
		if err != nil {
			return err
		}
		return same(value, got, path)
	}
	pattern, err := p.expand(m[2])
	if err != nil {
		return err
	}
	if pattern != "" && !fitsPattern(pattern, got) {
		return fmt.Errorf("%s is %s, want %s", path, show(got), pattern)
	}
	if m[1] != "" {
		p.vars[m[1]] = got
	}
	return nil
}

func same(want, got any, path string) error {
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s is %s, want %s", path, show(got), show(want))
	}
	return nil
}

// fitsPattern reports whether a value is an id with a prefix, a whole number in
// a range, or text or JSON that a regular expression matches.
func fitsPattern(pattern string, got any) bool {
	text, isText := got.(string)
	if !isText {
		text = show(got)
	}
	if ends := inRange.FindStringSubmatch(pattern); ends != nil {
		low, _ := strconv.ParseInt(ends[1], 10, 64)
		high, _ := strconv.ParseInt(ends[2], 10, 64)
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && !isText && low <= n && n <= high
	}
	if idPrefix.MatchString(pattern) {
		pattern = "^" + strings.TrimSuffix(pattern, "*") + "[A-Za-z0-9]{9}$"
	}
	return regexp.MustCompile(pattern).MatchString(text)
}
