package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// createRootKey makes a root key.
type createRootKey struct {
	Workspace   string   `placeholder:"ID" help:"Workspace of the root key (default: yours)."`
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
	_, err = fmt.Fprintf(a.stdout, "Root key %s has %d permissions. It is shown only once:\n%s\n",
		made.RootKeyID, len(permissions), made.Key)
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

// listRootKeys lists the root keys of a workspace.
type listRootKeys struct {
	Workspace string `placeholder:"ID" help:"Workspace to list (default: yours)."`
}

// Run lists the root keys.
func (c *listRootKeys) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	keys, err := all(func(cursor string) (latchkey.Page[latchkey.RootKey], error) {
		return client.RootKeys.List(ctx, latchkey.ListRootKeysRequest{
			WorkspaceID: c.Workspace, Cursor: cursor,
		})
	})
	if err != nil {
		return err
	}
	return printList(a, keys, "ID NAME START ENABLED EXPIRES CREATED PERMISSIONS", func(
		k latchkey.RootKey,
	) []string {
		return []string{
			k.ID, k.Name, k.Start + "…", yes(k.Enabled), date(k.Expires), date(k.CreatedAt),
			few(k.Permissions),
		}
	})
}

// few returns the first values of a list and the number of the others.
func few(values []string) string {
	const most = 3
	if len(values) <= most {
		return strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(values[:most], ", "), len(values)-most)
}

// rootKeySettings are what root-keys update can set.
var rootKeySettings = settings{
	"name": text, "permissions": list, "enabled": boolean, "expires": instant,
}

// updateRootKey changes a root key.
type updateRootKey struct {
	RootKeyID string   `arg:"" help:"The root key's id."`
	Settings  []string `arg:"" name:"name=value" help:"What to change: name, permissions, enabled, expires."`
}

// Help are the examples of latchkey root-keys update --help.
func (updateRootKey) Help() string {
	return `Separate the values of a list with commas; null removes a value.

Examples:

    latchkey root-keys update rk_… enabled=false
    latchkey root-keys update rk_… name=null expires=2027-01-31T00:00:00Z
    latchkey root-keys update rk_… 'permissions=api.*.read_api,api.*.verify_key'`
}

// Run changes the root key.
func (c *updateRootKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	return a.update(ctx, client, "rootKeys.updateRootKey", rootKeySettings, c.Settings, "rootKeyId",
		c.RootKeyID)
}

// update calls an operation that changes a resource and prints the result.
func (a *app) update(
	ctx context.Context, client *latchkey.Client, operation string, known settings, arguments []string,
	idField, id string,
) error {
	request, err := known.patch(arguments)
	if err != nil {
		return err
	}
	request[idField] = id
	data, _, err := client.Call(ctx, operation, request)
	if err != nil {
		return err
	}
	return a.printData(data)
}

// deleteRootKey deletes a root key.
type deleteRootKey struct {
	RootKeyID string `arg:"" help:"The root key's id."`
}

// Run deletes the root key.
func (c *deleteRootKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	if err := client.RootKeys.Delete(ctx, latchkey.DeleteRootKeyRequest{
		RootKeyID: c.RootKeyID,
	}); err != nil {
		return err
	}
	return a.done("Deleted root key %s. It no longer works.", c.RootKeyID)
}

// done confirms success to people; programs see the exit status.
func (a *app) done(format string, args ...any) error {
	if a.JSON {
		return a.printJSON(struct{}{})
	}
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}
