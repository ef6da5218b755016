package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// table says how the items of a list are shown to people.
type table struct {
	header string // the columns' names, with spaces between
	rows   func(page json.RawMessage) ([][]string, error)
}

// tableOf returns the table of items of a type.
func tableOf[T any](header string, row func(T) []string) table {
	return table{header, func(page json.RawMessage) ([][]string, error) {
		var items []T
		if err := json.Unmarshal(page, &items); err != nil {
			return nil, err
		}
		rows := make([][]string, len(items))
		for i, item := range items {
			rows[i] = clean(row(item))
		}
		return rows, nil
	}}
}

// tables are the tables of the operations that list.
var tables = map[string]table{
	"apis.listApis":               tableOf("ID NAME PREFIX PROTECTED ENCRYPTED CREATED", apiRow),
	"keys.listKeys":               tableOf(keyHeader, keyRow),
	"identities.listIdentities":   tableOf("ID EXTERNAL-ID ENABLED LIMITS META", identityRow),
	"permissions.listPermissions": tableOf("ID SLUG NAME DESCRIPTION", permissionRow),
	"permissions.listRoles":       tableOf("ID NAME PERMISSIONS DESCRIPTION", roleRow),
	"ratelimit.listNamespaces":    tableOf("ID NAME DEGRADED ALGORITHM CREATED", namespaceRow),
	"ratelimit.listOverrides":     tableOf("IDENTIFIER LIMIT ALGORITHM ID", overrideRow),
	"budgets.listBudgets":         tableOf(budgetHeader, budgetRow),
	"budgets.listAttachments":     tableOf("KEY EXTERNAL-ID AUTO-APPLY", attachmentRow),
	"budgets.listReservations":    tableOf(reservationHeader, reservationRow),
	"workspaces.listWorkspaces":   tableOf("ID NAME ENABLED REQUESTS/MIN CREATED", workspaceRow),
	"rootKeys.listRootKeys":       tableOf(rootKeyHeader, rootKeyRow),
	"portal.listSessions":         tableOf("EXTERNAL-ID ACTIVE PENDING NEWEST", portalUserRow),
	"webhooks.listWebhooks":       tableOf("ID URL EVENTS STATE CREATED", webhookRow),
	"webhooks.listDeliveries":     tableOf(deliveryHeader, deliveryRow),
	"usage.listEvents":            tableOf(eventHeader, eventRow),
	"auditLogs.listAuditLogs":     tableOf("TIME EVENT ACTOR NAME ADDRESS WHAT", auditRow),
}

// listing prints a list that arrives in pages.
type listing struct {
	app    *app
	table  table
	stream bool              // JSON as one object a line
	items  []json.RawMessage // of JSON that isn't streamed
	widths []int             // of the columns; nil before the first page
}

func (a *app) listing(operation string, all bool) *listing {
	return &listing{app: a, table: tables[operation], stream: all, items: []json.RawMessage{}}
}

// page prints a page and returns how many items it has.
func (l *listing) page(data json.RawMessage) (int, error) {
	if !l.app.JSON {
		rows, err := l.table.rows(data)
		if err != nil {
			return 0, err
		}
		return len(rows), l.print(rows)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return 0, err
	}
	if !l.stream {
		l.items = append(l.items, items...)
		return len(items), nil
	}
	for _, item := range items {
		if _, err := fmt.Fprintf(l.app.stdout, "%s\n", item); err != nil {
			return 0, err
		}
	}
	return len(items), nil
}

// end prints what could not be printed before.
func (l *listing) end() error {
	switch {
	case l.app.JSON && !l.stream:
		return l.app.printJSON(l.items)
	case !l.app.JSON && l.widths == nil:
		return l.print(nil)
	}
	return nil
}

// gap is the space between two columns.
const gap = 2

// print prints rows. The first ones decide the widths of the columns.
func (l *listing) print(rows [][]string) error {
	header := strings.Split(l.table.header, " ")
	terminal := l.app.width()
	if l.widths == nil {
		l.widths = widths(append(rows, header), terminal)
		rows = append([][]string{header}, rows...)
	}
	if terminal == 0 { // where nothing is cut
		for i, needed := range widths(append(rows, header), 0) {
			l.widths[i] = max(l.widths[i], needed)
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			cell = shorten(cell, l.widths[i])
			line += cell + strings.Repeat(" ", l.widths[i]-utf8.RuneCountInString(cell)+gap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := fmt.Fprint(l.app.stdout, b.String())
	return err
}

// widths returns the width of each column: what its longest cell needs, but together at
// most the width of the terminal, if that is known. The widest ones give way.
func widths(rows [][]string, terminal int) []int {
	w, sum := make([]int, len(rows[0])), 0
	for i := range w {
		for _, row := range rows {
			w[i] = max(w[i], utf8.RuneCountInString(row[i]))
		}
		sum += w[i] + gap
	}
	const narrowest = 8
	for ; terminal > 0 && sum-gap > terminal; sum-- {
		widest := len(w) - 1
		for i := 1; i < len(w); i++ { // never the first, which names the item
			if w[i] > w[widest] {
				widest = i
			}
		}
		if w[widest] <= narrowest {
			break
		}
		w[widest]--
	}
	return w
}

// shorten cuts a text to a width. The rows of later pages can be longer than the first.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
