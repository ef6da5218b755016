package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// identityPath returns the path of the page of an identity with an id or an external id. What
// can't be in a path is searched for.
func identityPath(of string) string {
	if keyID.MatchString(of) {
		return "/identities/" + of
	}
	return "/identities?" + url.Values{"q": {of}}.Encode()
}

// identitiesView is what the list of identities shows.
type identitiesView struct {
	Search     string
	Identities []latchkey.Identity
	Pages      pager
}

// identities lists the identities of the workspace.
func (v *visit) identities() error {
	search := clip(v.r.FormValue("q"), 256)
	list, err := v.client.Identities.List(v.ctx(), latchkey.ListIdentitiesRequest{
		Search: search, Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	return v.show("identities", page{
		Title: "Identities", Section: "/identities", Data: identitiesView{
			search, list.Data, v.pager(len(list.Data), list.Pagination),
		},
	})
}

// identityForm is what the form of an identity has in its fields.
type identityForm struct {
	ExternalID, Meta string
	Limits           []limitFields
}

// Rows are the rows for rate limits: those that there are, and an empty one.
func (f identityForm) Rows() []limitFields { return limitRows(f.Limits) }

// identityView is what the page of an identity shows, and the form of a new one.
type identityView struct {
	Identity latchkey.Identity
	Form     identityForm
	Keys     []keyRow
	More     bool // there are more keys
	Failure  *failure
	Usage    usageView
	Was      string // how the form was shown
	Problem  *problem
}

// was is how the form is shown.
func (f identityForm) was() string {
	return url.Values{"meta": {digest(f.Meta)}, "limits": {digest(f.limits())}}.Encode()
}

// limits returns the limits as one text.
func (f identityForm) limits() string { return fmt.Sprintf("%q", f.Limits) }

// newIdentity shows the form of a new identity.
func (v *visit) newIdentity() error {
	return v.show("newidentity", newIdentityPage(identityView{}))
}

func newIdentityPage(view identityView) page {
	return page{
		Title: "Create an identity", Section: "/identities",
		Trail: []link{{"Identities", "/identities"}}, Data: view,
	}
}

func readIdentityForm(form url.Values) identityForm {
	return identityForm{
		strings.TrimSpace(form.Get("externalId")), unixLines(strings.TrimSpace(form.Get("meta"))),
		readLimits(form),
	}
}

// createIdentity creates an identity.
func (v *visit) createIdentity() error {
	form, wrong := readIdentityForm(v.r.PostForm), faults{}
	request := latchkey.CreateIdentityRequest{
		ExternalID: form.ExternalID, Meta: keyForm{Meta: form.Meta}.meta(wrong),
		Ratelimits: requestLimits(form.Limits, wrong),
	}
	refused := wrong.problem()
	if refused == nil {
		created, err := v.client.Identities.Create(v.ctx(), request, v.once())
		if err == nil {
			return v.redirect("/identities/"+url.PathEscape(created.IdentityID),
				"Created "+form.ExternalID+".")
		}
		if refused = refusal(err); refused == nil {
			return err
		}
	}
	return v.refuse("newidentity", newIdentityPage(identityView{Form: form, Problem: refused}))
}

// identity shows an identity.
func (v *visit) identity() error { return v.showIdentity(http.StatusOK, nil, nil) }

// showIdentity shows an identity with its form, or the form as it was sent.
func (v *visit) showIdentity(status int, sent *identityForm, wrong *problem) error {
	identity, err := v.client.Identities.Get(v.ctx(), latchkey.GetIdentityRequest{
		Identity: v.r.PathValue("identityId"),
	})
	if err != nil {
		return err
	}
	view := identityView{Identity: identity, Problem: wrong, Form: identityForm{
		identity.ExternalID, indented(identity.Meta), fieldsOf(identity.Ratelimits),
	}}
	view.Was = view.Form.was()
	if sent != nil {
		view.Form, view.Was = *sent, v.r.PostFormValue("was")
	}
	found, err := v.client.Keys.Find(v.ctx(), latchkey.FindKeysRequest{
		ExternalID: identity.ExternalID, Limit: 20,
	})
	if err != nil {
		view.Failure = v.partly(err)
	}
	view.More = found.Pagination.HasMore
	for _, key := range found.Data {
		view.Keys = append(view.Keys, keyRow{key, stateOf(&key, v.Now())})
	}
	if keyID.MatchString(identity.ID) {
		view.Usage = v.usage(condition(" AND identity_id = '"+identity.ID+"'"), false)
	}
	v.write(status, "identity", page{
		Title: identity.ExternalID, Section: "/identities",
		Trail: []link{{"Identities", "/identities"}}, Data: view,
	})
	return nil
}

// identityChanged goes back to the page of an identity, or says why nothing was changed.
func (v *visit) identityChanged(sent *identityForm, done string, err error) error {
	if err == nil {
		return v.redirect("/identities/"+url.PathEscape(v.r.PathValue("identityId")), done)
	}
	if wrong := refusal(err); wrong != nil {
		return v.showIdentity(http.StatusUnprocessableEntity, sent, wrong)
	}
	return err
}

// updateIdentity saves metadata and limits that were changed.
func (v *visit) updateIdentity() error {
	id := v.r.PathValue("identityId")
	identity, err := v.client.Identities.Get(v.ctx(), latchkey.GetIdentityRequest{Identity: id})
	if err != nil {
		return err
	}
	form, wrong := readIdentityForm(v.r.PostForm), faults{}
	request := latchkey.UpdateIdentityRequest{Identity: id}
	if v.changedTo("meta", digest(form.Meta)) {
		request.Meta = latchkey.Set(keyForm{Meta: form.Meta}.meta(wrong))
	}
	if v.changedTo("limits", digest(form.limits())) {
		request.Ratelimits = latchkey.Set(requestLimits(form.Limits, wrong))
	}
	if refused := wrong.problem(); refused != nil {
		return v.showIdentity(http.StatusUnprocessableEntity, &form, refused)
	}
	_, err = v.client.Identities.Update(v.ctx(), request, v.once())
	return v.identityChanged(&form, "Saved "+identity.ExternalID+".", err)
}

// switchIdentity enables or disables an identity.
func (v *visit) switchIdentity() error {
	enable := v.r.PostFormValue("enabled") == "true"
	_, err := v.client.Identities.Update(v.ctx(), latchkey.UpdateIdentityRequest{
		Identity: v.r.PathValue("identityId"), Enabled: latchkey.Set(enable),
	}, v.once())
	if enable {
		return v.identityChanged(nil, "Enabled. Its keys verify from now on.", err)
	}
	return v.identityChanged(nil, "Disabled. All of its keys are refused from now on.", err)
}

// deleteIdentity deletes an identity whose external id was typed.
func (v *visit) deleteIdentity() error {
	id := v.r.PathValue("identityId")
	identity, err := v.client.Identities.Get(v.ctx(), latchkey.GetIdentityRequest{Identity: id})
	if err != nil {
		return err
	}
	if strings.TrimSpace(v.r.PostFormValue("name")) != strings.TrimSpace(identity.ExternalID) {
		return v.showIdentity(http.StatusUnprocessableEntity, nil,
			&problem{Text: "It was not deleted: the external id that you typed is another one."})
	}
	err = v.client.Identities.Delete(v.ctx(), latchkey.DeleteIdentityRequest{Identity: id}, v.once())
	if err != nil {
		return v.identityChanged(nil, "", err)
	}
	return v.redirect("/identities", "Deleted "+identity.ExternalID+". Its keys go on without it.")
}
