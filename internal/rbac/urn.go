package rbac

import (
	"strings"
	"unicode"
)

// urn is a grant on resources, written unkey:v1:{workspace}:{path}#{action}.
//
// A path is segments separated by /. A segment is literal, * for any one
// segment, or, as the last one, ** for the path before it and everything below.
// The action is one word; * for every action is only allowed with the path **.
type urn struct{ path, action string }

// parseURN parses a grant in the workspace. It returns false for an invalid URN
// and for one of another workspace.
func parseURN(text, workspaceID string) (urn, bool) {
	rest, isURN := strings.CutPrefix(text, "unkey:v1:")
	workspace, rest, _ := strings.Cut(rest, ":")
	path, action, _ := strings.Cut(rest, "#")
	u := urn{anyProject(path, workspaceID), action}
	return u, isURN && workspace != "" && workspace == workspaceID && u.valid()
}

// WorkspaceOf returns the workspace that a grant on resources names. A grant of another form
// names none.
func WorkspaceOf(text string) (workspace string, named bool) {
	rest, isURN := strings.CutPrefix(text, "unkey:v1:")
	workspace, _, _ = strings.Cut(rest, ":")
	return workspace, isURN
}

// anyProject returns the path with a * for the project of the workspace. A workspace has one
// project, whose id is that of the workspace with another prefix, so the two mean the same.
func anyProject(path, workspaceID string) string {
	first, rest, _ := strings.Cut(path, "/")
	id, rest, more := strings.Cut(rest, "/")
	if first != "projects" || !more || id != ProjectOf(workspaceID) {
		return path
	}
	return "projects/*/" + rest
}

// ProjectOf returns the id of the project of a workspace.
func ProjectOf(workspaceID string) string {
	return "proj_" + strings.TrimPrefix(workspaceID, "ws_")
}

func (u urn) valid() bool {
	if u.action == "*" {
		return u.path == "**"
	}
	return validAction(u.action) && validPath(u.path)
}

func validAction(s string) bool {
	return s != "" && s[0] != '_' && s[len(s)-1] != '_' &&
		!strings.ContainsAny(s, ":#/*") && !strings.ContainsFunc(s, unicode.IsSpace)
}

// validPath rejects a * inside a longer segment as a mistake: as a character of
// an id it could never match, and its author meant a wildcard.
func validPath(path string) bool {
	for more := true; more; {
		var segment string
		segment, path, more = strings.Cut(path, "/")
		switch {
		case segment == "*", segment == "**" && !more:
		case segment == "" || strings.ContainsAny(segment, ":#*"):
			return false
		}
	}
	return true
}

// covers reports whether u allows everything that other allows. Both are valid.
func (u urn) covers(other urn) bool {
	return u.allows(other.action) && pathCovers(u.path, other.path)
}

// allows reports whether u allows the action on its path. A * is every action of the older
// names, such as read_key, and none of the newer ones, such as read: root keys that were
// made before there were newer names must not get more than they had.
func (u urn) allows(action string) bool {
	return u.action == action || u.action == "*" && strings.Contains(action, "_")
}

func pathCovers(grant, asked string) bool {
	for {
		g, grantRest, grantMore := strings.Cut(grant, "/")
		if g == "**" {
			return true
		}
		a, askedRest, askedMore := strings.Cut(asked, "/")
		switch {
		case a == "**" || g != "*" && g != a:
			return false
		case !askedMore: // a/** includes a itself
			return !grantMore || grantRest == "**"
		case !grantMore:
			return false
		}
		grant, asked = grantRest, askedRest
	}
}

// pathsOverlap reports whether the grant covers any path of this form, in which a
// segment in braces is any id.
func pathsOverlap(grant, form string) bool {
	for {
		g, grantRest, grantMore := strings.Cut(grant, "/")
		f, formRest, formMore := strings.Cut(form, "/")
		switch {
		case g == "**":
			return true
		case g != "*" && g != f && !strings.HasPrefix(f, "{"):
			return false
		case !formMore:
			return !grantMore || grantRest == "**"
		case !grantMore:
			return false
		}
		grant, form = grantRest, formRest
	}
}
