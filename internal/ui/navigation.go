package ui

// group is a part of the navigation.
type group struct {
	Title   string // "" for the first one
	Entries []entry
}

// entry is a page in the navigation.
type entry struct {
	Text  string
	Path  string // also what page.Section names
	Icon  string
	Needs string // the operation without which the page shows nothing
	Key   string // that opens the page after G
	Short string // in the tab bar of narrow screens; "" for not there
}

// navigation is what a root key with all permissions sees.
var navigation = []group{
	{"", []entry{
		{"Overview", "/", "layout-dashboard", "", "o", "Overview"},
		{"APIs and keys", "/apis", "key-round", "apis.listApis", "k", "Keys"},
		{"Identities", "/identities", "users", "identities.listIdentities", "i", "Identities"},
		{"Roles and permissions", "/access", "shield-check", "permissions.listRoles", "r", ""},
		{"Rate limits", "/limits", "gauge", "ratelimit.listNamespaces", "l", ""},
		{"Playground", "/playground", "flask-conical", "keys.explainKey", "p", "Try"},
	}},
	{"Operate", []entry{
		{"Audit log", "/audit", "scroll-text", "auditLogs.listAuditLogs", "a", ""},
		{"Webhooks", "/webhooks", "webhook", "webhooks.listWebhooks", "e", ""},
		{"Health", "/status", "activity", "system.getHealth", "h", ""},
	}},
	{"Settings", []entry{
		{"Root keys", "/root-keys", "lock", "rootKeys.listRootKeys", "t", ""},
		{"Workspaces", "/workspaces", "building-2", "workspaces.listWorkspaces", "w", ""},
		{"Settings", "/settings", "settings", "", "s", ""},
		{"Documentation", "/docs", "book-open", "", "d", ""},
	}},
}

// navigationOf returns the pages that a root key can see.
func navigationOf(f *frame) (groups []group) {
	for _, g := range navigation {
		seen := group{Title: g.Title}
		for _, e := range g.Entries {
			if e.Needs == "" || f.Can(e.Needs) {
				seen.Entries = append(seen.Entries, e)
			}
		}
		if len(seen.Entries) > 0 {
			groups = append(groups, seen)
		}
	}
	return groups
}
