package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/latchkeyhq/latchkey"
	"golang.org/x/term"
)

// printList prints items that are all there, each a row of a table.
func printList[T any](a *app, items []T, header string, row func(T) []string) error {
	if a.JSON {
		return a.printJSON(items)
	}
	page, err := json.Marshal(items)
	if err != nil {
		return err
	}
	l := &listing{app: a, table: tableOf(header, row)}
	_, err = l.page(page)
	return err
}

// clean replaces what would break a table, look like a column of it, or play tricks on a
// terminal: their owners choose names, which can have any character.
func clean(cells []string) []string {
	for i, cell := range cells {
		visible := strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, cell)
		cells[i] = strings.Join(strings.Fields(visible), " ")
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// printJSON prints a value for programs, on one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// done confirms success to people; programs see the exit status.
func (a *app) done(format string, args ...any) error {
	if a.JSON {
		return a.printJSON(struct{}{})
	}
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}

// width returns the width of the terminal that standard output is, else 0.
func (a *app) width() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return columns
		}
	}
	return 0
}

// terminal reports whether a person can be asked: standard input is a terminal.
func (a *app) terminal() bool {
	in, ok := a.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// date writes a time for people; no time is empty.
func date(t latchkey.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ago writes how far a time is from now, such as "3d ago" and "in 12h"; no time is empty.
func ago(t latchkey.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t.Time)
	if d < 0 {
		return "in " + roughly(-d)
	}
	return roughly(d) + " ago"
}

// roughly writes a duration with one unit.
func roughly(d time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"y", 365 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}} {
		if d >= 2*unit.length || d >= unit.length && unit.name != "y" {
			return strconv.FormatInt(int64(d.Round(unit.length)/unit.length), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(d.Round(time.Second)/time.Second), 10) + "s"
}

// perTime writes a limit for people, such as "10/m" or "10/5m".
func perTime(limit int64, per latchkey.Duration) string {
	n, unit := inUnit(per)
	if n == 1 {
		return fmt.Sprintf("%d/%s", limit, unit)
	}
	return fmt.Sprintf("%d/%d%s", limit, n, unit)
}

// inUnit writes a duration exactly, as a number of the largest unit that fits.
func inUnit(d latchkey.Duration) (n int64, unit string) {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d.Duration() >= unit.length && d.Duration()%unit.length == 0 {
			return int64(d.Duration() / unit.length), unit.name
		}
	}
	return d.Milliseconds(), "ms"
}

// yes writes a bool for people.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// few returns the first values of a list and the number of the others.
func few(values []string) string {
	const most = 3
	if len(values) <= most {
		return strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(values[:most], ", "), len(values)-most)
}

// printIndented prints the data of a response as JSON: indented, or unchanged with --json. Some
// operations respond without data.
func (a *app) printIndented(data json.RawMessage) error {
	if len(data) == 0 {
		return nil
	}
	var out bytes.Buffer
	if a.JSON {
		out.Write(data)
	} else if err := json.Indent(&out, data, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := a.stdout.Write(out.Bytes())
	return err
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
