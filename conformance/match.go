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

// checkResponses assigns every response to the first outcome that it matches, and checks the number
// of responses of every outcome.
func (r *runner) checkResponses(outcomes []outcome, responses []*response) error {
	counts := make([]int, len(outcomes))
	for _, res := range responses {
		r.last = res
		err := errors.New("the script has no expected response")
		for i, o := range outcomes {
			if err = r.checkResponse(o, res); err == nil {
				counts[i]++
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, res)
		}
	}
	for i, o := range outcomes {
		if counts[i] != o.times {
			return fmt.Errorf("%d responses match outcome %d, want %d", counts[i], i+1, o.times)
		}
	}
	return nil
}

// checkResponse compares a response with an outcome. It also checks the envelope that every success
// and every error has.
func (r *runner) checkResponse(o outcome, res *response) error {
	if res.status != o.status {
		return fmt.Errorf("the status is %d, want %d", res.status, o.status)
	}
	var got map[string]any
	if err := decode(res.text, &got); err != nil {
		return err
	}
	id := res.header.Get("X-Request-Id")
	if err := r.match("?:req_*", id, "header X-Request-Id"); err != nil {
		return err
	}
	want := maps.Clone(o.want)
	if o.kind != "" {
		want = map[string]any{"error": problem(o)}
	}
	want["meta"] = map[string]any{"requestId": id}
	if err := r.match(want, got, "response"); err != nil {
		return err
	}
	if o.kind == "" {
		return r.match("application/json", res.header.Get("Content-Type"), "header Content-Type")
	}
	return checkFaults(o.faults, got["error"].(map[string]any)["errors"])
}

// problem returns the expected error member. It has a list of faults where clients expect one, and
// no list elsewhere.
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

// checkFaults checks that there are faults at these locations; "[]" requires that there are none.
func checkFaults(want []string, faults any) error {
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

// match compares JSON values. path is their position in the response.
func (r *runner) match(want, got any, path string) error {
	switch want := want.(type) {
	case string:
		return r.matchText(want, got, path)
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			return r.matchObject(want, got, path)
		}
	case []any:
		list, ok := got.([]any)
		if ok && len(want) > 0 && want[0] == "~" {
			return r.matchAnyOrder(want[1:], list, path)
		}
		if ok && len(want) == len(list) {
			for i := range want {
				if err := r.match(want[i], list[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return same(want, got, path)
}

func (r *runner) matchObject(want, got map[string]any, path string) error {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		name, optional := strings.CutSuffix(key, "?")
		value, ok := got[name]
		switch {
		case key == "..." || optional && !ok:
			continue
		case !ok:
			return fmt.Errorf("%s.%s is missing", path, name)
		}
		if err := r.match(want[key], value, path+"."+name); err != nil {
			return err
		}
	}
	_, more := want["..."]
	for name, value := range got {
		_, required := want[name]
		_, optional := want[name+"?"]
		if !required && !optional && !more {
			return fmt.Errorf("%s.%s is %s, want absent", path, name, toJSON(value))
		}
	}
	return nil
}

// matchAnyOrder matches each expected item with the first remaining item that matches it.
func (r *runner) matchAnyOrder(want, got []any, path string) error {
	rest := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(rest, func(g any) bool { return r.match(w, g, path) == nil })
		if i < 0 {
			return fmt.Errorf("%s is %s and lacks %s", path, toJSON(got), toJSON(w))
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s is %s with the unexpected %s", path, toJSON(got), toJSON(rest))
	}
	return nil
}

var (
	anyText  = regexp.MustCompile(`^\?([a-z][A-Za-z0-9]*)?(?::(.+))?$`)
	idPrefix = regexp.MustCompile(`^[a-z]+_\*$`)
	inRange  = regexp.MustCompile(`^(\d+)\.\.(\d+)$`)
)

// matchText compares a value with a text, a name or a pattern.
func (r *runner) matchText(want string, got any, path string) error {
	m := anyText.FindStringSubmatch(want)
	if m == nil {
		value, err := r.resolve(want)
		if err != nil {
			return err
		}
		return same(value, got, path)
	}
	pattern, err := r.expand(m[2])
	if err != nil {
		return err
	}
	if pattern != "" && !matchesPattern(pattern, got) {
		return fmt.Errorf("%s is %s, want %s", path, toJSON(got), pattern)
	}
	if m[1] != "" {
		r.vars[m[1]] = defined(pattern, got)
	}
	return nil
}

// defined returns the value that a name gets: the part of a text that a group of the regular
// expression matches, if it has one, and else the whole value.
func defined(pattern string, got any) any {
	text, isText := got.(string)
	if !isText || !strings.HasPrefix(pattern, "^") {
		return got
	}
	if parts := regexp.MustCompile(pattern).FindStringSubmatch(text); len(parts) == 2 {
		return parts[1]
	}
	return got
}

func same(want, got any, path string) error {
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s is %s, want %s", path, toJSON(got), toJSON(want))
	}
	return nil
}

// matchesPattern reports whether a value is an id with a prefix, an integer in a range, or text or
// JSON that matches a regular expression.
func matchesPattern(pattern string, got any) bool {
	text, isText := got.(string)
	if !isText {
		text = toJSON(got)
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
