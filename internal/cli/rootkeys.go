package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/latchkeyhq/latchkey"
)

// rootKeyCommands are the commands of root keys.
type rootKeyCommands struct {
	Create createRootKey `cmd:"" help:"Create a root key and print it."`
	List   struct {
		Workspace workspaceID `json:"workspaceId,omitempty" complete:"workspaces.listWorkspaces name" placeholder:"ID" help:"Id or name of the workspace (default: yours)."`
		Paging
	} `cmd:"" op:"rootKeys.listRootKeys" help:"List the root keys of a workspace."`
	Whoami struct{}      `cmd:"" op:"rootKeys.whoami" help:"Show the root key that is used and the operations that it can call."`
	Update updateRootKey `cmd:"" op:"rootKeys.updateRootKey" done:"Updated root key {id}." help:"Change a root key."`
	Reroll struct {
		RootKey rootKeyID `arg:"" json:"keyId" complete:"rootKeys.listRootKeys name" help:"Its id or name."`
		Grace   grace     `required:"" json:"expiration" placeholder:"TIME" help:"How long the old root key still works, such as 24h or 7d; 0 ends it at once."`
	} `cmd:"" aliases:"rotate" op:"rootKeys.rerollKey" done:"Root key {keyId} replaces the old one. It is shown only once:" last:"key" help:"Replace a root key by a new one and print it."`
	Delete struct {
		RootKey rootKeyID `arg:"" json:"rootKeyId" complete:"rootKeys.listRootKeys name" help:"Its id or name."`
		Confirmed
	} `cmd:"" op:"rootKeys.deleteRootKey" confirm:"Root key {rootKeyId} will stop working." done:"Deleted root key {rootKeyId}. It no longer works." help:"Delete a root key; it stops working at once."`
}

// createRootKey makes a root key.
type createRootKey struct {
	Workspace   string   `placeholder:"ID" help:"Workspace of the root key (default: yours)."`
	Expires     instant  `placeholder:"TIME" help:"When it expires: 90d, 12h, 2027-01-31 (default: never)."`
	Name        string   `help:"Name, for people."`
	Permission  []string `sep:"none" placeholder:"P" help:"Permission of the root key; repeatable."`
	All         bool     `help:"Grant every permission in the workspace."`
	Permissions []string `arg:"" optional:"" name:"permission" complete:"permissions" help:"Permissions of the root key, for example api.*.verify_key."`
}

// Help are the examples of latchkey root-keys create --help.
func (createRootKey) Help() string {
	return `Prints the root key alone on the last line. It is shown only once.

Examples:

    latchkey root-keys create --name checkout 'api.*.verify_key'
    export LATCHKEY_ROOT_KEY=$(latchkey root-keys create --all | tail -n 1)`
}

// Run makes the root key.
func (c *createRootKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	permissions := append(append([]string{}, c.Permission...), c.Permissions...)
	if c.All {
		permissions = append(permissions, everything(c.Workspace)...)
	}
	made, err := client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		WorkspaceID: c.Workspace, Name: c.Name, Permissions: permissions,
		Expires: c.Expires.Or(latchkey.Time{}),
	})
	if err != nil {
		return err
	}
	if err := a.warnUseless(permissions); err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(made)
	}
	_, err = fmt.Fprintf(a.stdout, "Root key %s has %s. It is shown only once:\n%s\n",
		made.RootKeyID, plural(len(permissions), "permission"), made.Key)
	return err
}

// warnUseless warns of a root key without permissions, and of permissions that grant
// nothing.
func (a *app) warnUseless(permissions []string) error {
	text := ""
	if len(permissions) == 0 {
		text = "warning: the root key has no permissions, so it can only call rootKeys.whoami; " +
			"see latchkey root-keys update --help\n"
	}
	for _, permission := range permissions {
		if !latchkey.PermissionGrants(permission) {
			text += fmt.Sprintf("warning: %q grants nothing; a permission is like api.*.verify_key\n",
				permission)
		}
	}
	_, err := io.WriteString(a.stderr, text)
	return err
}

// everything is all that can be done in a workspace. The newer form of
// permissions names the workspace, so it is part only where that is known.
func everything(workspace string) []string {
	permissions := latchkey.AllPermissions()
	if workspace != "" {
		permissions = append(permissions, "unkey:v1:"+workspace+":**#*")
	}
	return permissions
}

// rootKeyHeader are the columns of lists of root keys.
const rootKeyHeader = "ID NAME START ENABLED EXPIRES CREATED PERMISSIONS"

func rootKeyRow(k latchkey.RootKey) []string {
	return []string{
		k.ID, k.Name, k.Start + "…", yes(k.Enabled), ago(k.Expires), ago(k.CreatedAt),
		few(k.Permissions),
	}
}

// updateRootKey changes a root key.
type updateRootKey struct {
	RootKey     rootKeyID `arg:"" json:"rootKeyId" complete:"rootKeys.listRootKeys name" help:"Its id or name."`
	Name        *string   `json:"name,omitempty" help:"Name, for people."`
	Permissions []string  `name:"permission" short:"p" sep:"none" json:"permissions,omitempty" complete:"permissions" placeholder:"P" help:"What it can do; repeatable. They replace all permissions."`
	Enabled     *bool     `negatable:"" json:"enabled,omitempty" help:"Whether it works."`
	Expires     instant   `json:"expires,omitzero" placeholder:"TIME" help:"When it expires: 90d, 12h, 2027-01-31, never."`
	Clearing
}

// Help are the examples of latchkey root-keys update --help.
func (updateRootKey) Help() string {
	return `Examples:

    latchkey root-keys update rk_… --no-enabled
    latchkey root-keys update ci --expires 30d
    latchkey root-keys update ci -p 'api.*.read_api' -p 'api.*.verify_key'`
}
