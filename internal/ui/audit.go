package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// auditView is what the audit log shows.
type auditView struct {
	Search  string
	Times   []choice
	Chips   []chip
	Records []auditRow
	Pages   pager
}

// auditRow is a record of the audit log.
type auditRow struct {
	latchkey.AuditLog
	Client  string // the browser or program
	Targets []auditTarget
}

// auditTarget is something that a record is about, with its page; "" for none.
type auditTarget struct {
	latchkey.AuditTarget
	Path string
}

// auditFilters are the parameters of the URL that select records, with their names.
var auditFilters = []struct{ name, field string }{
	{"q", "Has"}, {"event", "Event"}, {"actor", "By"}, {"target", "About"},
}

// auditTimes are the times that the list offers, by the parameter since.
var auditTimes = []struct {
	text, name string
	time.Duration
}{
	{"All", "", 0}, {"1 h", "1h", time.Hour}, {"24 h", "24h", 24 * time.Hour},
	{"7 d", "7d", 7 * 24 * time.Hour}, {"30 d", "30d", 30 * 24 * time.Hour},
}

// auditLog lists the records of the audit log.
func (v *visit) auditLog() error {
	request := latchkey.ListAuditLogsRequest{
		Limit: pageSize, Cursor: v.cursor(), Search: clip(v.r.FormValue("q"), 256),
		Event: v.r.FormValue("event"), Actor: v.r.FormValue("actor"),
		Target: v.r.FormValue("target"),
	}
	view := auditView{Search: request.Search}
	for _, t := range auditTimes {
		now := v.r.FormValue("since") == t.name
		if now && t.Duration > 0 {
			request.After = latchkey.At(v.Now().Add(-t.Duration))
		}
		view.Times = append(view.Times, choice{t.text, v.with("since", t.name), now})
	}
	for _, f := range auditFilters {
		if value := v.r.FormValue(f.name); value != "" {
			view.Chips = append(view.Chips, chip{f.field, value, v.with(f.name, "")})
		}
	}
	list, err := v.client.AuditLogs.List(v.ctx(), request)
	if err != nil {
		return err
	}
	view.Pages = v.pager(len(list.Data), list.Pagination)
	for _, record := range list.Data {
		view.Records = append(view.Records, v.auditRowOf(record))
	}
	return v.show("audit", page{Title: "Audit log", Section: "/audit", Data: view})
}

func (v *visit) auditRowOf(record latchkey.AuditLog) auditRow {
	row := auditRow{AuditLog: record, Client: clientName(record.UserAgent)}
	for _, target := range record.Targets {
		row.Targets = append(row.Targets, auditTarget{target, v.pathOf(target)})
	}
	return row
}

// By is who made the change.
func (r auditRow) By() string {
	if r.Actor.Type == "system" {
		return "the service"
	}
	return cmp.Or(r.Actor.Name, r.Actor.ID)
}

// folders are where the pages of things are, by the types of targets.
var folders = map[string]string{
	"key": "/keys/", "api": "/apis/", "identity": "/identities/", "rootKey": "/root-keys/",
	"role": "/access/roles/", "permission": "/access/permissions/",
	"ratelimitNamespace": "/limits/", "webhook": "/webhooks/", "workspace": "/workspaces/",
}

// pathOf returns the page of something, "" for what has no page.
func (v *visit) pathOf(target latchkey.AuditTarget) string {
	folder := folders[target.Type]
	if folder == "" {
		return ""
	}
	path := folder + url.PathEscape(target.ID)
	if !v.Knows(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}) {
		return ""
	}
	return path
}

// clientName says which browser or program a user agent is, in two words.
func clientName(agent string) string {
	if !strings.HasPrefix(agent, "Mozilla/") {
		name, _, _ := strings.Cut(agent, " ")
		name, version, found := strings.Cut(name, "/")
		if found {
			name += " " + version
		}
		return clip(name, 64)
	}
	name := "A browser"
	for _, of := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"},
		{"Version/", "Safari"},
	} {
		if _, version, found := strings.Cut(agent, of.mark); found {
			version, _, _ = strings.Cut(version, ".")
			name = of.name + " " + clip(version, 8)
			break
		}
	}
	for _, of := range []struct{ mark, name string }{
		{"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Windows", "Windows"},
		{"Mac OS", "macOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(agent, of.mark) {
			return name + ", " + of.name
		}
	}
	return name
}
