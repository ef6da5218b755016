package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// all reads a list to its end, page after page.
func all[T any](page func(cursor string) (latchkey.Page[T], error)) ([]T, error) {
	items, cursor := []T{}, ""
	for {
		p, err := page(cursor)
		if err != nil {
			return nil, err
		}
		items = append(items, p.Data...)
		if !p.Pagination.HasMore {
			return items, nil
		}
		cursor = p.Pagination.Cursor
	}
}

// printList prints items, each a row of a table under the header's words.
func printList[T any](a *app, items []T, header string, row func(T) []string) error {
	if a.JSON {
		return a.printJSON(items)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(header, " ", "\t"))
	for _, item := range items {
		fmt.Fprintln(w, strings.Join(clean(row(item)), "\t"))
	}
	return w.Flush()
}

// clean replaces what would break a table, or play tricks on a terminal: names
// may hold any character.
func clean(cells []string) []string {
	for i, cell := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				return ' '
			}
			return r
		}, cell)
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

// date writes a time for people; no time is empty.
func date(t latchkey.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// yes writes a bool for people.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
