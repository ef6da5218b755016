package ui

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// workspacesView is what the list of workspaces shows.
type workspacesView struct {
	Workspaces []latchkey.Workspace
	Pages      pager
	Name       string // of the form
	Problem    *problem
}

// workspaces lists all workspaces.
func (v *visit) workspaces() error { return v.showWorkspaces(nil) }

func (v *visit) showWorkspaces(wrong *problem) error {
	list, err := v.client.Workspaces.List(v.ctx(), latchkey.ListWorkspacesRequest{
		Limit: pageSize, Cursor: v.cursor(),
	})
	if err != nil {
		return err
	}
	p := page{Title: "Workspaces", Section: "/workspaces", Data: workspacesView{
		Workspaces: list.Data, Pages: v.pager(len(list.Data), list.Pagination),
		Name: v.r.PostFormValue("name"), Problem: wrong,
	}}
	if wrong != nil {
		return v.refuse("workspaces", p)
	}
	return v.show("workspaces", p)
}

// createWorkspace creates a workspace.
func (v *visit) createWorkspace() error {
	made, err := v.client.Workspaces.Create(v.ctx(), latchkey.CreateWorkspaceRequest{
		Name: strings.TrimSpace(v.r.PostFormValue("name")),
	}, v.once())
	if err != nil {
		if wrong := refusal(err); wrong != nil {
			return v.showWorkspaces(wrong)
		}
		return err
	}
	return v.redirect("/workspaces/"+url.PathEscape(made.WorkspaceID), "Created the workspace.")
}

// workspaceView is what the page of a workspace shows.
type workspaceView struct {
	latchkey.Workspace
	Problem *problem
}

// Was is how the form is shown.
func (v workspaceView) Was() string {
	was := url.Values{"name": {v.Name}}
	if !v.RequestsPerMinute.IsZero() {
		was.Set("requestsPerMinute", strconv.FormatInt(v.RequestsPerMinute.Or(0), 10))
	}
	return was.Encode()
}

// workspace shows a workspace.
func (v *visit) workspace() error { return v.showWorkspace(nil) }

func (v *visit) showWorkspace(wrong *problem) error {
	w, err := v.client.Workspaces.Get(v.ctx(), latchkey.GetWorkspaceRequest{
		WorkspaceID: v.r.PathValue("workspaceId"),
	})
	if err != nil {
		return err
	}
	p := page{
		Title: w.Name, Section: "/workspaces", Trail: []link{{"Workspaces", "/workspaces"}},
		Data: workspaceView{w, wrong},
	}
	if wrong != nil {
		return v.refuse("workspace", p)
	}
	return v.show("workspace", p)
}

// changeWorkspace changes a workspace, or switches it on or off.
func (v *visit) changeWorkspace() error {
	id := v.r.PathValue("workspaceId")
	change := latchkey.UpdateWorkspaceRequest{WorkspaceID: id}
	if v.r.PostForm.Has("enabled") {
		change.Enabled = latchkey.Set(v.r.PostFormValue("enabled") == "true")
	} else if wrong := v.workspaceForm(&change); wrong != nil {
		return v.showWorkspace(wrong)
	}
	if _, err := v.client.Workspaces.Update(v.ctx(), change, v.once()); err != nil {
		if wrong := refusal(err); wrong != nil {
			return v.showWorkspace(wrong)
		}
		return err
	}
	return v.redirect("/workspaces/"+url.PathEscape(id), "Saved. It holds from now on.")
}

// workspaceForm puts what was changed in the form of a workspace into a request.
func (v *visit) workspaceForm(change *latchkey.UpdateWorkspaceRequest) *problem {
	if v.changed("name") {
		change.Name = latchkey.Set(strings.TrimSpace(v.r.PostFormValue("name")))
	}
	if v.changed("requestsPerMinute") {
		text := strings.TrimSpace(v.r.PostFormValue("requestsPerMinute"))
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil && text != "" {
			return &problem{Text: "Requests a minute must be a whole number, or empty."}
		}
		change.RequestsPerMinute = orNull(n, text == "")
	}
	return nil
}
