package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// apisView is what the list of APIs shows.
type apisView struct {
	Search string
	APIs   []latchkey.APISettings
	Pages  pager
}

// apis lists the APIs of the workspace.
func (v *visit) apis() error {
	search := clip(v.r.FormValue("q"), 256)
	list, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{
		Search: search, Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	return v.show("apis", page{Title: "APIs", Section: "/apis", Data: apisView{
		Search: search, APIs: list.Data, Pages: v.pager(len(list.Data), list.Pagination),
	}})
}

// more lists all pages, for screens without a side bar.
func (v *visit) more() error {
	return v.show("more", page{Title: "All pages", Section: "/more"})
}

// newAPIView is what the form of a new API shows.
type newAPIView struct {
	Name    string
	Problem *problem
}

func newAPIPage(view newAPIView) page {
	return page{
		Title: "Create an API", Section: "/apis", Trail: []link{{"APIs", "/apis"}}, Data: view,
	}
}

// newAPI shows the form of a new API.
func (v *visit) newAPI() error { return v.show("newapi", newAPIPage(newAPIView{})) }

// createAPI creates an API.
func (v *visit) createAPI() error {
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	created, err := v.client.APIs.Create(v.ctx(), latchkey.CreateAPIRequest{Name: name}, v.once())
	if err == nil {
		return v.redirect("/apis/"+url.PathEscape(created.APIID), "Created "+name+".")
	}
	if wrong := refusal(err); wrong != nil {
		return v.refuse("newapi", newAPIPage(newAPIView{name, wrong}))
	}
	return err
}

// apiView is what the settings of an API show.
type apiView struct {
	API       latchkey.APISettings
	Addresses string
	Problem   *problem
}

// Was is how the form is shown.
func (v apiView) Was() string {
	was := url.Values{
		"deleteProtection":   {yes(v.API.DeleteProtection)},
		"storeEncryptedKeys": {yes(v.API.StoreEncryptedKeys)},
		"strictGrants":       {yes(v.API.StrictGrants)},
		"ipWhitelist":        {v.Addresses}, "defaultPrefix": {v.API.DefaultPrefix},
	}
	if v.API.DefaultBytes != 0 {
		was.Set("defaultBytes", strconv.Itoa(v.API.DefaultBytes))
	}
	return was.Encode()
}

// settingsOf returns an API with its settings, which only lists have.
func (v *visit) settingsOf(id string) (latchkey.APISettings, error) {
	list, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{Search: clip(id, 256)})
	if err != nil {
		return latchkey.APISettings{}, err
	}
	i := slices.IndexFunc(list.Data, func(a latchkey.APISettings) bool { return a.ID == id })
	if i < 0 {
		return latchkey.APISettings{}, &latchkey.Error{
			Status: http.StatusNotFound, Detail: "There is no such API.",
		}
	}
	return list.Data[i], nil
}

// apiSettings shows the settings of an API.
func (v *visit) apiSettings() error { return v.showAPI(http.StatusOK, nil) }

func (v *visit) showAPI(status int, wrong *problem) error {
	api, err := v.settingsOf(v.r.PathValue("apiId"))
	if err != nil {
		return err
	}
	v.write(status, "api", page{
		Title: "Settings", Section: "/apis",
		Trail: []link{{"APIs", "/apis"}, {api.Name, "/apis/" + url.PathEscape(api.ID)}},
		Data:  apiView{api, strings.Join(api.IPWhitelist, "\n"), wrong},
	})
	return nil
}

// updateAPI changes the settings of an API.
func (v *visit) updateAPI() error {
	form := v.r.PostForm
	request := latchkey.UpdateAPIRequest{APIID: v.r.PathValue("apiId")}
	for field, setting := range map[string]*latchkey.Opt[bool]{
		"deleteProtection": &request.DeleteProtection, "strictGrants": &request.StrictGrants,
		"storeEncryptedKeys": &request.StoreEncryptedKeys,
	} {
		if v.changed(field) {
			*setting = latchkey.Set(form.Has(field))
		}
	}
	if v.changed("ipWhitelist") {
		request.IPWhitelist = latchkey.Set(slugs(form.Get("ipWhitelist")))
	}
	if v.changed("defaultPrefix") {
		prefix := strings.TrimSpace(form.Get("defaultPrefix"))
		request.DefaultPrefix = orNull(prefix, prefix == "")
	}
	if v.changed("defaultBytes") {
		text := strings.TrimSpace(form.Get("defaultBytes"))
		n, err := strconv.Atoi(text)
		if err != nil && text != "" {
			return v.showAPI(http.StatusUnprocessableEntity, &problem{
				Text: "Random bytes: enter a number from 16 to 255.",
			})
		}
		request.DefaultBytes = orNull(n, text == "")
	}
	_, err := v.client.APIs.Update(v.ctx(), request, v.once())
	return v.apiChanged("/settings", "Saved.", err)
}

// deleteAPI deletes an API whose name was typed.
func (v *visit) deleteAPI() error {
	api, err := v.settingsOf(v.r.PathValue("apiId"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(v.r.PostFormValue("name")) != strings.TrimSpace(api.Name) {
		return v.showAPI(http.StatusUnprocessableEntity,
			&problem{Text: "It was not deleted: the name that you typed is another one."})
	}
	err = v.client.APIs.Delete(v.ctx(), latchkey.DeleteAPIRequest{APIID: api.ID}, v.once())
	if err != nil {
		return v.apiChanged("", "", err)
	}
	return v.redirect("/apis", "Deleted "+api.Name+". None of its keys is valid from now on.")
}

func (v *visit) apiChanged(page, done string, err error) error {
	if err == nil {
		return v.redirect("/apis/"+url.PathEscape(v.r.PathValue("apiId"))+page, done)
	}
	if wrong := refusal(err); wrong != nil {
		return v.showAPI(http.StatusUnprocessableEntity, wrong)
	}
	return err
}
