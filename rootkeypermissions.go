package latchkey

import (
	"fmt"
	"slices"
	"strings"
)

// CheckPermission returns an error if a permission of a root key is misspelled, with the
// most similar one that exists. Permissions are tuples such as api.*.verify_key, with an id
// or a * in the middle, and resource names such as unkey:v1:ws_1:keyspaces/*#create_key. The
// rules of [Operations] have all permissions that exist.
//
// A * in another place, or no id at all, is no error, because Unkey accepts it too; but it
// grants nothing. See [PermissionGrants].
func CheckPermission(permission string) error {
	if knownWords(permission) {
		return nil
	}
	if nearest := nearestPermission(permission); nearest != "" {
		return fmt.Errorf("there is no permission %q; did you mean %s?", permission, nearest)
	}
	return fmt.Errorf("there is no permission %q; permissions are like api.*.verify_key", permission)
}

// PermissionGrants reports whether a root key that has only this permission can call an
// operation that needs one.
func PermissionGrants(permission string) bool {
	if strings.HasPrefix(permission, resourcePrefix) {
		return knownResource(permission)
	}
	kind, id, action, ok := splitTuple(permission)
	return permission == Operator || ok && id != "" && isTuple(kind+".*."+action)
}

const resourcePrefix = "unkey:v1:"

// unused are permissions of Unkey's root keys that no operation needs. Keys that were made
// from a list of its permissions have them.
var unused = []string{"ratelimit.*.list_overrides", "rbac.*.remove_role_from_key"}

// knownTuples are the tuples that the operations need, with a * in place of each id.
var knownTuples = append(AllPermissions(), unused...)

// knownResources are the resource names that the operations need, from the path on.
var knownResources = func() (patterns []string) {
	for op := range Operations() {
		for _, rule := range op.Rules {
			for _, pattern := range slices.Concat(rule.AnyOf...) {
				if strings.Contains(pattern, "#") && !slices.Contains(patterns, pattern) {
					patterns = append(patterns, pattern)
				}
			}
		}
	}
	return patterns
}()

func isTuple(tuple string) bool { return slices.Contains(knownTuples, tuple) }

// knownWords reports whether the permission has only words of existing permissions, each in
// its place. Where a tuple has an id, it has anything.
func knownWords(permission string) bool {
	if permission == Operator || permission == "*" {
		return true
	}
	if strings.HasPrefix(permission, resourcePrefix) {
		return knownResource(permission)
	}
	kind, _, action, ok := splitTuple(permission)
	return ok && slices.ContainsFunc(knownTuples, func(tuple string) bool {
		k, _, a, _ := splitTuple(tuple)
		return (kind == "*" || kind == k) && (action == "*" || action == a)
	})
}

// splitTuple splits a tuple at its points. The id can be missing.
func splitTuple(tuple string) (kind, id, action string, ok bool) {
	switch parts := strings.Split(tuple, "."); len(parts) {
	case 2:
		return parts[0], "", parts[1], true
	case 3:
		return parts[0], parts[1], parts[2], parts[1] != ""
	}
	return "", "", "", false
}

// knownResource reports whether a resource name includes one that an operation needs. Of an
// older name, whose action has a _, only the action and the beginning must be known.
func knownResource(name string) bool {
	_, rest, _ := strings.Cut(strings.TrimPrefix(name, resourcePrefix), ":")
	path, action, _ := strings.Cut(rest, "#")
	if action == "*" {
		return path == "**"
	}
	older := strings.Contains(action, "_")
	first, _, _ := strings.Cut(path, "/")
	return slices.ContainsFunc(knownResources, func(pattern string) bool {
		p, a, _ := strings.Cut(pattern, "#")
		f, _, _ := strings.Cut(p, "/")
		if older { // Unkey has older names that no operation here needs
			return a == action && (first == f || first == "*" || first == "**")
		}
		return a == action && includes(path, p)
	})
}

// includes reports whether a path of a resource name includes one of the form of a pattern,
// in which a segment in braces and a * are ids. After a * no id follows, as in Unkey's names.
func includes(path, pattern string) bool {
	for star := false; ; {
		segment, pathRest, pathMore := strings.Cut(path, "/")
		wanted, patternRest, patternMore := strings.Cut(pattern, "/")
		isID := wanted == "*" || strings.HasPrefix(wanted, "{")
		switch {
		case segment == "**":
			return !pathMore
		case segment == "" || isID && segment != "*" && (star || strings.Contains(segment, "*")):
			return false
		case !isID && segment != wanted || pathMore != patternMore:
			return false
		case !pathMore:
			return true
		}
		star = star || isID && segment == "*"
		path, pattern = pathRest, patternRest
	}
}

// nearestPermission returns the permission that differs least from a misspelled one, or ""
// if they have less than half of it in common. Its id is the misspelled one's.
func nearestPermission(permission string) string {
	_, id, _, ok := splitTuple(permission)
	if !ok || id == "" {
		id = "*"
	}
	candidates := []string{Operator}
	name, isResource := strings.CutPrefix(permission, resourcePrefix)
	if workspace, _, found := strings.Cut(name, ":"); isResource && found {
		for _, pattern := range knownResources {
			candidates = append(candidates, resourcePrefix+workspace+":"+everyIDIn(pattern))
		}
	} else {
		for _, tuple := range knownTuples {
			candidates = append(candidates, strings.Replace(tuple, "*", id, 1))
		}
	}
	nearest := slices.MinFunc(candidates, func(a, b string) int {
		return distance(permission, a) - distance(permission, b)
	})
	if distance(permission, nearest) > len(nearest)/2 {
		return ""
	}
	return nearest
}

// everyIDIn puts a * in place of every id in a pattern.
func everyIDIn(pattern string) string {
	for strings.Contains(pattern, "{") {
		pattern = everyID(pattern)
	}
	return pattern
}

// distance returns the edit distance of two texts in bytes (Levenshtein). Only the first 100
// bytes of each count, since permissions are shorter.
func distance(a, b string) int {
	const most = 100
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
