package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// The types of this file are ids that can be given as names. A text with the prefix of ids is
// one; any other is looked up.

// apiID is the id of an API.
type apiID string

func (id *apiID) resolve(ctx context.Context, c *latchkey.Client) error {
	return lookUp(id, "API", "api_", c.APIs.All(ctx, latchkey.ListAPIsRequest{Search: string(*id)}),
		func(api latchkey.APISettings) (string, string) { return api.ID, api.Name })
}

// workspaceID is the id of a workspace.
type workspaceID string

func (id *workspaceID) resolve(ctx context.Context, c *latchkey.Client) error {
	return lookUp(id, "workspace", "ws_",
		c.Workspaces.All(ctx, latchkey.ListWorkspacesRequest{Search: string(*id)}),
		func(w latchkey.Workspace) (string, string) { return w.ID, w.Name })
}

// roleID is the id of a role.
type roleID string

func (id *roleID) resolve(ctx context.Context, c *latchkey.Client) error {
	return lookUp(id, "role", "role_",
		c.Permissions.AllRoles(ctx, latchkey.ListRolesRequest{Search: string(*id)}),
		func(r latchkey.Role) (string, string) { return r.ID, r.Name })
}

// rootKeyID is the id of a root key.
type rootKeyID string

func (id *rootKeyID) resolve(ctx context.Context, c *latchkey.Client) error {
	return lookUp(id, "root key", "rk_", c.RootKeys.All(ctx, latchkey.ListRootKeysRequest{}),
		func(k latchkey.RootKey) (string, string) { return k.ID, k.Name })
}

// lookUp replaces a name by the id of the one item that has it.
func lookUp[ID ~string, T any](
	id *ID, kind, prefix string, items func(func(T, error) bool), nameOf func(T) (id, name string),
) error {
	if strings.HasPrefix(string(*id), prefix) {
		return nil
	}
	var ids []string
	for item, err := range items {
		if err != nil {
			return fmt.Errorf("looking for the %s %q: %w", kind, *id, err)
		}
		if found, name := nameOf(item); name == string(*id) {
			ids = append(ids, found)
		}
	}
	switch len(ids) {
	case 0:
		return &notFoundError{fmt.Sprintf("there is no %s named %q", kind, *id)}
	case 1:
		*id = ID(ids[0])
		return nil
	}
	return fmt.Errorf("there are %d with the name %q: give the id of one, %s", len(ids), *id,
		few(ids))
}

// notFoundError is what a name stands for that nothing has.
type notFoundError struct{ text string }

// Error returns the text.
func (e *notFoundError) Error() string { return e.text }
