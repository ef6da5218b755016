// Command testlog reads the output of go test -json and prints it as go test
// would, then each test that was skipped, with its reason:
//
//	go test -json ./... | go run ./internal/testlog SKIPS
//
// SKIPS is a file with one line for each test that CI can skip: its name and the
// reason. Where the environment variable CI is set, any other skip is an error,
// so that nothing is left untested in silence.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json … | testlog SKIPS")
		os.Exit(2)
	}
	list, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	skips, err := show(os.Stdin, os.Stdout)
	unlisted := report(os.Stdout, skips, string(list))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || unlisted && os.Getenv("CI") != "" {
		os.Exit(1)
	}
}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// test names a test, or a package as a whole if Name is "".
type test struct{ Package, Name string }

// skip is a test that was skipped.
type skip struct {
	test
	reason string
}

// show prints the output of failed tests and the result of each package, and
// returns the skipped tests.
func show(from io.Reader, to io.Writer) ([]skip, error) {
	l := &log{to: to, said: map[test][]string{}}
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) != nil { // a word of go's own, such as that it found no package
			e = event{Action: "build-output", Output: string(line)}
		}
		l.take(e)
		if errors.Is(err, io.EOF) {
			return l.skips, nil
		}
		if err != nil {
			return l.skips, err
		}
	}
}

// log shows events.
type log struct {
	to    io.Writer
	said  map[test][]string // what tests that haven't ended have printed
	skips []skip
}

func (l *log) take(e event) {
	this := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(l.to, e.Output)
		return
	case "output":
		l.said[this] = append(l.said[this], e.Output)
		return
	case "fail":
		if e.Test == "" {
			l.printUnended(e.Package)
		}
		l.print(this, func(line string) bool { return !strings.HasPrefix(line, "=== ") })
	case "pass", "skip":
		if e.Test == "" {
			l.print(this, func(line string) bool { return strings.HasPrefix(line, "ok  \t") })
		} else if e.Action == "skip" {
			l.skips = append(l.skips, skip{this, reason(l.said[this])})
		}
	default:
		return
	}
	delete(l.said, this)
}

// print prints the lines of a test that are worth it.
func (l *log) print(of test, worthIt func(line string) bool) {
	for _, line := range l.said[of] {
		if worthIt(line) {
			fmt.Fprint(l.to, line)
		}
	}
}

// printUnended prints what tests of a package have said whose end was never
// reached, because the process ended before.
func (l *log) printUnended(in string) {
	for of := range l.said {
		if of.Package == in && of.Name != "" {
			l.print(of, func(string) bool { return true })
			delete(l.said, of)
		}
	}
}

// reason returns what a test said when it was skipped.
func reason(lines []string) string {
	var said []string
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, ok := strings.Cut(line, ": "); ok { // behind the place in the source
			line = text
		}
		said = append(said, line)
	}
	return strings.Join(said, " ")
}

// report prints the skipped tests and reports whether one of them isn't in the
// list.
func report(to io.Writer, skips []skip, list string) (unlisted bool) {
	listed := map[string]bool{}
	for line := range strings.Lines(list) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && name != "#" {
			listed[name] = true
		}
	}
	slices.SortFunc(skips, func(a, b skip) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	for _, s := range skips {
		note := ""
		if name, _, _ := strings.Cut(s.Name, "/"); !listed[name] && !listed[s.Name] {
			note, unlisted = " (not in the list of tests that CI can skip)", true
		}
		fmt.Fprintf(to, "skipped\t%s %s: %s%s\n", s.Package, s.Name, s.reason, note)
	}
	return unlisted
}
