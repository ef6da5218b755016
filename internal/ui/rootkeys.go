package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// maxRootKeys is how many root keys are looked through for one.
const maxRootKeys = 2000

// rootKeysView is what the list of root keys shows.
type rootKeysView struct {
	Keys  []rootKeyRow
	Pages pager
}

// rootKeyRow is a root key in words.
type rootKeyRow struct {
	latchkey.RootKey
	State pill
	Reach string
	Own   bool // the browser is signed in with it
}

// rootKeys lists the root keys of the workspace.
func (v *visit) rootKeys() error {
	list, err := v.client.RootKeys.List(v.ctx(), latchkey.ListRootKeysRequest{
		Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view := rootKeysView{Pages: v.pager(len(list.Data), list.Pagination)}
	for _, key := range list.Data {
		view.Keys = append(view.Keys, v.rootKeyRow(key))
	}
	return v.show("rootkeys", page{Title: "Root keys", Section: "/root-keys", Data: view})
}

func (v *visit) rootKeyRow(key latchkey.RootKey) rootKeyRow {
	return rootKeyRow{
		RootKey: key, State: rootKeyState(&key, v.Now()), Reach: reach(key.Permissions),
		Own: key.ID == v.who.RootKeyID,
	}
}

func rootKeyState(key *latchkey.RootKey, now time.Time) pill {
	left := key.Expires.Sub(now)
	switch {
	case !key.Enabled:
		return pill{"Disabled", "off"}
	case key.Expires.IsZero():
		return pill{"Active", "ok"}
	case left < 0:
		return pill{"Expired", "bad"}
	case left < soon:
		return pill{"Ends in " + span(left), "warn"}
	}
	return pill{"Active", "ok"}
}

// rootKeyView is what the page of a root key shows.
type rootKeyView struct {
	rootKeyRow
	Groups  []permissionGroup // of what it holds
	Others  []string          // permissions in other forms than those of the table
	Problem *problem
}

// rootKey shows a root key.
func (v *visit) rootKey() error {
	key, err := v.findRootKey(v.r.PathValue("rootKeyId"))
	if err != nil {
		return err
	}
	return v.showRootKey(key, nil)
}

func (v *visit) showRootKey(key latchkey.RootKey, wrong *problem) error {
	view := rootKeyView{rootKeyRow: v.rootKeyRow(key), Problem: wrong}
	view.Groups, view.Others = held(key.Permissions)
	p := page{
		Title: rootKeyName(&key), Section: "/root-keys",
		Trail: []link{{"Root keys", "/root-keys"}}, Data: view,
	}
	if wrong != nil {
		return v.refuse("rootkey", p)
	}
	return v.show("rootkey", p)
}

// findRootKey returns a root key of the workspace.
func (v *visit) findRootKey(id string) (latchkey.RootKey, error) {
	seen := 0
	for key, err := range v.client.RootKeys.All(v.ctx(), latchkey.ListRootKeysRequest{}) {
		if err != nil || key.ID == id {
			return key, err
		}
		if seen++; seen == maxRootKeys {
			break
		}
	}
	return latchkey.RootKey{}, &latchkey.Error{
		Status: http.StatusNotFound, Detail: "There is no root key with this id.",
	}
}

func rootKeyName(key *latchkey.RootKey) string {
	if key.Name == "" {
		return key.Start + "…"
	}
	return key.Name
}

// changeRootKey renames, disables or enables a root key.
func (v *visit) changeRootKey() error {
	id := v.r.PathValue("rootKeyId")
	change, done := latchkey.UpdateRootKeyRequest{RootKeyID: id}, ""
	switch {
	case v.r.PostForm.Has("enabled"):
		on := v.r.PostFormValue("enabled") == "true"
		change.Enabled = latchkey.Set(on)
		done = "Disabled. It is refused from now on."
		if on {
			done = "Enabled."
		}
	default:
		change.Name, done = latchkey.Null[string](), "Renamed."
		if name := strings.TrimSpace(v.r.PostFormValue("name")); name != "" {
			change.Name = latchkey.Set(name)
		}
	}
	if _, err := v.client.RootKeys.Update(v.ctx(), change, v.once()); err != nil {
		return v.rootKeyRefused(id, err)
	}
	return v.redirect("/root-keys/"+url.PathEscape(id), done)
}

// deleteRootKey deletes a root key whose name was typed again.
func (v *visit) deleteRootKey() error {
	key, err := v.findRootKey(v.r.PathValue("rootKeyId"))
	if err != nil {
		return err
	}
	name := cmp.Or(key.Name, key.ID)
	if strings.TrimSpace(v.r.PostFormValue("name")) != strings.TrimSpace(name) {
		return v.showRootKey(key, &problem{
			Text: "It was not deleted: the name that you typed is another one.",
		})
	}
	err = v.client.RootKeys.Delete(v.ctx(), latchkey.DeleteRootKeyRequest{RootKeyID: key.ID}, v.once())
	if err != nil {
		return v.rootKeyRefused(key.ID, err)
	}
	return v.redirect("/root-keys", "Deleted "+name+". It is refused from now on.")
}

// rootKeyRefused shows a root key again that was not changed.
func (v *visit) rootKeyRefused(id string, err error) error {
	wrong := refusal(err)
	if wrong == nil {
		return err
	}
	key, failed := v.findRootKey(id)
	if failed != nil {
		return err
	}
	return v.showRootKey(key, wrong)
}

// newRootKeyView is the form for a root key.
type newRootKeyView struct {
	Name, Ends, API string
	Purposes        []choice
	Groups          []permissionGroup
	APIs            []latchkey.APISettings
	Endings         []ending
	Problem         *problem
}

// ending is a time after which a root key ends.
type ending struct{ Value, Text string }

// endings are the times that the form offers.
func endings(now time.Time) []ending {
	all := []ending{{"", "Never"}}
	for _, days := range []string{"7", "30", "90", "365"} {
		after, _ := time.ParseDuration(days + "h")
		all = append(all, ending{
			days, "In " + days + " days, " + now.Add(24*after).UTC().Format("2 Jan 2006"),
		})
	}
	return all
}

// newRootKey shows the form, with what a purpose needs.
func (v *visit) newRootKey() error {
	chosen := map[string]bool{}
	for _, p := range purposeNamed(v.r.FormValue("for")) {
		chosen[p] = true
	}
	return v.rootKeyForm(chosen, nil)
}

func (v *visit) rootKeyForm(chosen map[string]bool, wrong *problem) error {
	view := newRootKeyView{
		Name: v.r.PostFormValue("name"), Ends: v.r.PostFormValue("ends"),
		API: v.r.PostFormValue("api"), Endings: endings(v.Now()), Problem: wrong,
		Groups: picker(chosen, v.who.Permissions),
	}
	for _, p := range purposes {
		view.Purposes = append(view.Purposes, choice{
			Text: p.text, Path: "/root-keys/new?for=" + p.name,
			Current: wrong == nil && p.name == v.r.FormValue("for"),
		})
	}
	if v.who.can["apis.listApis"] {
		list, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{Limit: 100})
		if err != nil {
			return err
		}
		view.APIs = list.Data
	}
	p := page{
		Title: "Create a root key", Section: "/root-keys",
		Trail: []link{{"Root keys", "/root-keys"}}, Data: view,
	}
	if wrong != nil {
		return v.refuse("rootkeynew", p)
	}
	return v.show("rootkeynew", p)
}

// createRootKey creates a root key and shows it, once.
func (v *visit) createRootKey() error {
	request := latchkey.CreateRootKeyRequest{
		Name: strings.TrimSpace(v.r.PostFormValue("name")), Permissions: []string{},
	}
	if after, err := time.ParseDuration(v.r.PostFormValue("ends") + "h"); err == nil && after > 0 {
		request.Expires = latchkey.At(v.Now().Add(24 * after))
	}
	chosen := map[string]bool{}
	for _, p := range v.r.PostForm["permission"] {
		chosen[p] = true
		if api := v.r.PostFormValue("api"); api != "" {
			p = strings.Replace(p, "api.*.", "api."+api+".", 1)
		}
		request.Permissions = append(request.Permissions, p)
	}
	if len(chosen) == 0 {
		return v.rootKeyForm(chosen, &problem{Text: "Choose at least one permission."})
	}
	made, err := v.client.RootKeys.Create(v.ctx(), request, v.once())
	if err != nil {
		if wrong := refusal(err); wrong != nil {
			return v.rootKeyForm(chosen, wrong)
		}
		return err
	}
	slices.Sort(request.Permissions)
	return v.show("rootkeycreated", page{
		Title: "The root key is ready", Section: "/root-keys",
		Trail: []link{{"Root keys", "/root-keys"}},
		Data: struct {
			latchkey.CreatedRootKey
			Request latchkey.CreateRootKeyRequest
			Reach   string
		}{made, request, reach(request.Permissions)},
	})
}
