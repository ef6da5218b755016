package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// namespacesView is what the list of namespaces shows.
type namespacesView struct {
	Search     string
	Namespaces []latchkey.Namespace
	Pages      pager
	Examples   []example
}

// namespaces lists the namespaces of rate limits.
func (v *visit) namespaces() error {
	search := clip(v.r.FormValue("q"), 256)
	list, err := v.client.Ratelimits.ListNamespaces(v.ctx(), latchkey.ListNamespacesRequest{
		Search: search, Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view := namespacesView{
		Search: search, Namespaces: list.Data, Pages: v.pager(len(list.Data), list.Pagination),
	}
	if len(list.Data) == 0 {
		view.Examples = examplesOf("ratelimit.limit", latchkey.LimitRequest{
			Namespace: "uploads", Identifier: "user_1", Limit: 10, Duration: latchkey.PerMilli(60_000),
		})
	}
	return v.show("namespaces", page{Title: "Rate limits", Section: "/limits", Data: view})
}

// namespaceView is what the page of a namespace shows.
type namespaceView struct {
	Namespace latchkey.Namespace
	Overrides []latchkey.Override
	Pages     pager
	Override  limitFields // the form of an override; Name is the identifier
	Test      *limitTest
	Problem   *problem
}

// Was is how the form of the settings is shown.
func (v namespaceView) Was() string {
	return url.Values{
		"whenDegraded": {string(cmp.Or(v.Namespace.WhenDegraded, "share"))},
		"algorithm":    {string(cmp.Or(v.Namespace.Algorithm, "sliding_window"))},
	}.Encode()
}

// limitTest is what the service says about an identifier. Nothing was counted.
type limitTest struct {
	Identifier string
	Asked      limitFields
	Override   *latchkey.Override // that applies; nil for none
	Result     *latchkey.LimitResult
}

// findNamespace returns a namespace by its id.
func (v *visit) findNamespace() (latchkey.Namespace, error) {
	id := v.r.PathValue("namespaceId")
	list, err := v.client.Ratelimits.ListNamespaces(v.ctx(), latchkey.ListNamespacesRequest{
		Search: clip(id, 256),
	})
	if err != nil {
		return latchkey.Namespace{}, err
	}
	i := slices.IndexFunc(list.Data, func(n latchkey.Namespace) bool { return n.ID == id })
	if i < 0 {
		return latchkey.Namespace{}, &latchkey.Error{
			Status: http.StatusNotFound, Detail: "There is no such namespace.",
		}
	}
	return list.Data[i], nil
}

// namespace shows a namespace.
func (v *visit) namespace() error {
	return v.showNamespace(http.StatusOK, namespaceView{Override: newLimit})
}

// newLimit is a limit before anything was typed.
var newLimit = limitFields{Every: "1", Unit: "60000"}

func (v *visit) showNamespace(status int, view namespaceView) error {
	namespace, err := v.findNamespace()
	if err != nil {
		return err
	}
	view.Namespace = namespace
	list, err := v.client.Ratelimits.ListOverrides(v.ctx(), latchkey.ListOverridesRequest{
		Namespace: namespace.ID, Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	view.Overrides, view.Pages = list.Data, v.pager(len(list.Data), list.Pagination)
	v.write(status, "namespace", page{
		Title: namespace.Name, Section: "/limits", Trail: []link{{"Rate limits", "/limits"}},
		Data: view,
	})
	return nil
}

// oneLimit returns the one limit of a form.
func (v *visit) oneLimit() (l limitFields) {
	form := v.r.PostForm
	return limitFields{
		Name: strings.TrimSpace(form.Get("identifier")), Limit: form.Get("limit"),
		Every: form.Get("every"), Unit: form.Get("unit"),
		Algorithm: oneOf(form.Get("algorithm"), "sliding_window", "token_bucket"),
	}
}

// namespaceChanged goes back to the page of a namespace, or says why nothing was changed.
func (v *visit) namespaceChanged(view namespaceView, done string, err error) error {
	if err == nil {
		return v.redirect("/limits/"+url.PathEscape(v.r.PathValue("namespaceId")), done)
	}
	if view.Problem = refusal(err); view.Problem == nil {
		return err
	}
	return v.showNamespace(http.StatusUnprocessableEntity, view)
}

// setOverride sets an override.
func (v *visit) setOverride() error {
	l, wrong := v.oneLimit(), faults{}
	limit := requestLimits([]limitFields{l}, wrong)[0]
	if refused := wrong.problem(); refused != nil {
		return v.showNamespace(http.StatusUnprocessableEntity,
			namespaceView{Override: l, Problem: refused})
	}
	_, err := v.client.Ratelimits.SetOverride(v.ctx(), latchkey.SetOverrideRequest{
		Namespace: v.r.PathValue("namespaceId"), Identifier: l.Name, Limit: latchkey.Set(limit.Limit),
		Duration: limit.Duration, Algorithm: limit.Algorithm,
	}, v.once())
	return v.namespaceChanged(namespaceView{Override: l}, l.Name+": "+number(limit.Limit)+
		" "+duration(limit.Duration)+" from now on.", err)
}

// deleteOverride deletes an override.
func (v *visit) deleteOverride() error {
	identifier := v.r.PostFormValue("identifier")
	err := v.client.Ratelimits.DeleteOverride(v.ctx(), latchkey.DeleteOverrideRequest{
		Namespace: v.r.PathValue("namespaceId"), Identifier: identifier,
	}, v.once())
	return v.namespaceChanged(namespaceView{Override: newLimit},
		"Deleted the override of "+identifier+".", err)
}

// updateNamespace changes the settings of a namespace.
func (v *visit) updateNamespace() error {
	request := latchkey.UpdateNamespaceRequest{Namespace: v.r.PathValue("namespaceId")}
	if v.changed("whenDegraded") {
		request.WhenDegraded = latchkey.Set(
			latchkey.WhenDegraded(v.r.PostFormValue("whenDegraded")))
	}
	if v.changed("algorithm") {
		request.Algorithm = latchkey.Algorithm(v.r.PostFormValue("algorithm"))
	}
	_, err := v.client.Ratelimits.UpdateNamespace(v.ctx(), request, v.once())
	return v.namespaceChanged(namespaceView{Override: newLimit}, "Saved.", err)
}

// testLimit asks whether an identifier would be let in, and counts nothing.
func (v *visit) testLimit() error {
	l, wrong := v.oneLimit(), faults{}
	limit := requestLimits([]limitFields{l}, wrong)[0]
	view := namespaceView{Override: newLimit, Test: &limitTest{Identifier: l.Name, Asked: l}}
	if view.Problem = wrong.problem(); view.Problem != nil {
		return v.showNamespace(http.StatusUnprocessableEntity, view)
	}
	namespace, err := v.findNamespace()
	if err != nil {
		return err
	}
	result, err := v.client.Ratelimits.Limit(v.ctx(), latchkey.LimitRequest{
		Namespace: namespace.Name, Identifier: l.Name, Limit: limit.Limit, Duration: limit.Duration,
		Cost: latchkey.Int(0),
	})
	if err != nil {
		return v.namespaceChanged(view, "", err)
	}
	view.Test.Result = &result
	if result.OverrideID != "" {
		override, err := v.client.Ratelimits.GetOverride(v.ctx(), latchkey.GetOverrideRequest{
			Namespace: namespace.ID, Identifier: l.Name,
		})
		if err == nil { // without the permission, the result says only that there is one
			view.Test.Override = &override
		}
	}
	return v.showNamespace(http.StatusOK, view)
}
