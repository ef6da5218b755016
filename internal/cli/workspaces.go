package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// createWorkspace makes a workspace and a root key for it.
type createWorkspace struct {
	Name              string `arg:"" optional:"" help:"Name, for people (default: a random name)."`
	RequestsPerMinute *int64 `placeholder:"N" help:"Limit of API requests per minute (default: none)."`
}

// Help is the manual of latchkey workspaces create.
func (createWorkspace) Help() string {
	return `Prints a root key with every permission in the new workspace, alone on the last line. It
is shown only once.`
}

// Run makes the workspace.
func (c *createWorkspace) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	if c.Name == "" {
		c.Name = "workspace_" + strings.ToLower(rand.Text()[:9])
	}
	request := latchkey.CreateWorkspaceRequest{Name: c.Name}
	if c.RequestsPerMinute != nil {
		request.RequestsPerMinute = latchkey.Set(*c.RequestsPerMinute)
	}
	made, err := client.Workspaces.Create(ctx, request)
	if err != nil {
		return err
	}
	key, err := client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		WorkspaceID: made.WorkspaceID, Name: c.Name, Permissions: everything(made.WorkspaceID),
	})
	if err != nil {
		return fmt.Errorf("workspace %s was made, but not its root key (latchkey root-keys create "+
			"--all --workspace %s makes one): %w",
			made.WorkspaceID, made.WorkspaceID, err)
	}
	return c.print(a, made, key)
}

func (c *createWorkspace) print(
	a *app, made latchkey.CreatedWorkspace, key latchkey.CreatedRootKey,
) error {
	if a.JSON {
		return a.printJSON(struct {
			latchkey.CreatedWorkspace
			latchkey.CreatedRootKey
		}{made, key})
	}
	_, err := fmt.Fprintf(a.stdout,
		"Workspace %s is named %s. Its root key is %s, shown only once:\n%s\n", made.WorkspaceID, c.Name,
		key.RootKeyID, key.Key)
	return err
}

// listWorkspaces lists the workspaces.
type listWorkspaces struct{}

// Run lists the workspaces.
func (listWorkspaces) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	workspaces, err := all(func(cursor string) (latchkey.Page[latchkey.Workspace], error) {
		return client.Workspaces.List(ctx, latchkey.ListWorkspacesRequest{Cursor: cursor})
	})
	if err != nil {
		return err
	}
	return printList(a, workspaces, "ID NAME ENABLED REQUESTS/MIN CREATED", func(
		w latchkey.Workspace,
	) []string {
		bound := ""
		if n, ok := w.RequestsPerMinute.Get(); ok {
			bound = strconv.FormatInt(n, 10)
		}
		return []string{w.ID, w.Name, yes(w.Enabled), bound, date(w.CreatedAt)}
	})
}
