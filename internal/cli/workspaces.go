package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// workspaceCommands are the commands of workspaces.
type workspaceCommands struct {
	Create createWorkspace `cmd:"" help:"Create a workspace and print a root key for it."`
	List   struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id or name contains this text."`
	} `cmd:"" op:"workspaces.listWorkspaces" help:"List the workspaces."`
	Get struct {
		Workspace workspaceID `arg:"" json:"workspaceId" complete:"workspaces.listWorkspaces name" help:"Its id or name."`
	} `cmd:"" op:"workspaces.getWorkspace" help:"Show a workspace and its quotas."`
	Limits struct{} `cmd:"" op:"workspace.getLimits" help:"Show the limits of the root key's workspace."`
	Usage  struct {
		Month month `json:"period,omitzero" placeholder:"YYYY-MM" help:"Month in UTC, such as 2026-10 (default: this month)."`
	} `cmd:"" op:"workspace.getUsage" help:"Show what the root key's workspace used in a month."`
	Update struct {
		Workspace         workspaceID `arg:"" json:"workspaceId" complete:"workspaces.listWorkspaces name" help:"Its id or name."`
		Name              *string     `json:"name,omitempty" help:"Name, for people."`
		Enabled           *bool       `negatable:"" json:"enabled,omitempty" help:"Whether its root keys and keys work."`
		RequestsPerMinute *int64      `json:"requestsPerMinute,omitempty" placeholder:"N" help:"Limit of API requests per minute."`
		Quotas            object      `json:"quotas,omitempty" placeholder:"JSON" help:"Quotas, for example {\"keys\":1000}; null restores a default."`
		Clearing
	} `cmd:"" op:"workspaces.updateWorkspace" done:"Updated workspace {name}." help:"Change a workspace."`
	Delete struct {
		Workspace workspaceID `arg:"" json:"workspaceId" complete:"workspaces.listWorkspaces name" help:"Its id or name."`
		Confirmed
	} `cmd:"" op:"workspaces.deleteWorkspace" confirm:"All keys and root keys of workspace {workspaceId} will stop working, and there is no way back." done:"Deleted workspace {workspaceId}. Its keys no longer work." help:"Delete a workspace; its keys stop working at once."`
}

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

func workspaceRow(w latchkey.Workspace) []string {
	bound := ""
	if n, ok := w.RequestsPerMinute.Get(); ok {
		bound = strconv.FormatInt(n, 10)
	}
	return []string{w.ID, w.Name, yes(w.Enabled), bound, ago(w.CreatedAt)}
}
