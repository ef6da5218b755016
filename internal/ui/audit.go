package ui

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// auditView is what the audit log shows.
type auditView struct {
	Event   string
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

// auditLog lists the records of the audit log.
func (v *visit) auditLog() error {
	event := clip(v.r.FormValue("event"), 128)
	list, err := v.client.AuditLogs.List(v.ctx(), latchkey.ListAuditLogsRequest{
		Limit: pageSize, Cursor: v.cursor(), Event: event,
	})
	if err != nil {
		return err
	}
	view := auditView{Event: event, Pages: v.pager(len(list.Data), list.Pagination)}
	if event != "" {
		view.Chips = append(view.Chips, chip{"Event", event, v.with("event", "")})
	}
	for _, record := range list.Data {
		view.Records = append(view.Records, auditRowOf(record))
	}
	return v.show("audit", page{Title: "Audit log", Section: "/audit", Data: view})
}

func auditRowOf(record latchkey.AuditLog) auditRow {
	row := auditRow{AuditLog: record, Client: clientName(record.UserAgent)}
	for _, target := range record.Targets {
		row.Targets = append(row.Targets, auditTarget{target, pathOf(target)})
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

// pathOf returns the page of something, "" for what has no page.
func pathOf(target latchkey.AuditTarget) string {
	folder := map[string]string{
		"key": "/keys/", "api": "/apis/", "identity": "/identities/", "rootKey": "/root-keys/",
		"rootkey": "/root-keys/", "role": "/access/roles/", "permission": "/access/permissions/",
		"ratelimitNamespace": "/limits/",
	}[target.Type]
	if folder == "" {
		return ""
	}
	return folder + url.PathEscape(target.ID)
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
