package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// Kinds are the kinds of sections. Every operation that needs a root key must have the first four.
// A refused section tests what an operation rejects because of its state, and a behavior section
// tests everything else.
var Kinds = []string{"success", "bad request", "unauthorized", "forbidden", "refused", "behavior"}

// Section is one guarantee with the statements that test it.
type Section struct {
	Kind, Title string

	steps []*step
	vars  map[string]any // predefined values by name
}

// step is one statement.
type step struct {
	at         string // position, file:line
	word, rest string
	outcomes   []outcome // of a request
}

// outcome is the expected response to one or more requests.
type outcome struct {
	times  int
	status int
	kind   string   // suffix of the error's type URL, empty for a success
	faults []string // locations that the error's faults must include
	want   map[string]any
}

// Scripts returns the sections of each operation, or the first syntax error.
func Scripts() (map[string][]*Section, error) {
	names, err := fs.Glob(testdata, "testdata/*.txt")
	if err != nil {
		return nil, err
	}
	scripts := make(map[string][]*Section)
	for _, name := range names {
		text, err := testdata.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file := path.Base(name)
		if scripts[strings.TrimSuffix(file, ".txt")], err = parse(file, string(text)); err != nil {
			return nil, err
		}
	}
	every := scripts["every"]
	delete(scripts, "every")
	for operation, sections := range scripts {
		scripts[operation] = append(sections, instantiate(every, operation, sections)...)
	}
	return scripts, nil
}

// instantiate returns the sections of every.txt for one operation. Their valid request is the first
// one of the operation's unauthorized section.
func instantiate(every []*Section, operation string, own []*Section) []*Section {
	op, _ := latchkey.LookupOperation(operation)
	i := slices.IndexFunc(own, func(s *Section) bool { return s.Kind == "unauthorized" })
	if i < 0 || op != nil && (op.Scope != "" || op.Holder) {
		return nil
	}
	request := slices.IndexFunc(own[i].steps, func(s *step) bool { return s.word == "POST" })
	_, body, _ := strings.Cut(own[i].steps[request].rest, " ")
	empty := ""
	if op != nil && op.BodyOptional {
		empty = " " // no body at all is a valid request
	}
	var sections []*Section
	for _, s := range every {
		one := *s
		one.vars = map[string]any{"operation": operation, "body": body, "empty": empty}
		sections = append(sections, &one)
	}
	return sections
}

// parse parses one script.
func parse(file, text string) ([]*Section, error) {
	var sections []*Section
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at, l := fmt.Sprintf("%s:%d", file, i+1), lines[i]
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			l += " " + strings.TrimSpace(lines[i])
		}
		if l == "" || l[0] == '#' {
			continue
		}
		var err error
		if heading, ok := strings.CutPrefix(l, "== "); ok {
			kind, title, _ := strings.Cut(heading, ": ")
			if !slices.Contains(Kinds, kind) || title == "" {
				err = fmt.Errorf("%q is not KIND: TITLE with a kind among %q", heading, Kinds)
			}
			sections = append(sections, &Section{Kind: kind, Title: title})
		} else if len(sections) == 0 {
			err = fmt.Errorf("%q is before the first section", l)
		} else {
			err = sections[len(sections)-1].add(at, l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	return sections, nil
}

// The first words of statements.
var (
	requests = []string{"GET", "POST", "PUT", "parallel"}
	others   = []string{"header", "as", "with", "set", "wait"}
)

// add adds a statement, or an outcome of the previous request.
func (s *Section) add(at, text string) error {
	word, rest, _ := strings.Cut(text, " ")
	if _, err := strconv.Atoi(word); err == nil {
		return s.expect(text)
	}
	rest = strings.TrimSpace(rest)
	known := slices.Contains(requests, word) || slices.Contains(others, word)
	if !known || rest == "" || word == "parallel" && !parallelLine.MatchString(rest) {
		return fmt.Errorf("%q is not a statement", text)
	}
	s.steps = append(s.steps, &step{at: at, word: word, rest: rest})
	return nil
}

var (
	outcomeLine = regexp.MustCompile(`^(?:(\d+) of )?(\d{3})(?: ([a-z_/]+))?` +
		`((?: /\S*| security| requestBody| \[\])*) ?(\{.*)?$`)
	parallelLine = regexp.MustCompile(`^(\d+) (GET|POST|PUT) (.+)$`)
	extendedJSON = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\.\.\.|~\[`)
)

// expect adds an outcome to the previous request.
func (s *Section) expect(text string) error {
	m := outcomeLine.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is not an outcome", text)
	}
	o := outcome{times: 1, kind: m[3], faults: strings.Fields(m[4])}
	if m[1] != "" {
		o.times, _ = strconv.Atoi(m[1])
	}
	o.status, _ = strconv.Atoi(m[2])
	var err error
	switch {
	case len(s.steps) == 0 || !slices.Contains(requests, s.steps[len(s.steps)-1].word):
		return fmt.Errorf("%q has no request before it", text)
	case o.status >= 300 && o.kind == "", o.status < 300 && m[5] == "":
		return fmt.Errorf("%q needs an error type, or JSON for a success", text)
	case m[5] != "":
		err = decode(extendedJSON.ReplaceAllStringFunc(m[5], plainJSON), &o.want)
	}
	to := s.steps[len(s.steps)-1]
	to.outcomes = append(to.outcomes, o)
	return err
}

// plainJSON encodes the two tokens of scripts that are not JSON.
func plainJSON(token string) string {
	switch token {
	case "...":
		return `"...":0`
	case "~[":
		return `["~",`
	}
	return token
}

// decode decodes one JSON value and keeps the digits of its numbers.
func decode(text string, into any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s is not JSON: %w", shorten(text), err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%s has text after the JSON", shorten(text))
	}
	return nil
}

// shorten truncates long text.
func shorten(text string) string {
	const most = 1500
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:most], len(text))
}
