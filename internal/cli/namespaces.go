package cli

import (
	"context"

	"github.com/latchkeyhq/latchkey"
)

// listNamespaces lists the rate-limit namespaces.
type listNamespaces struct{}

// Run lists the namespaces.
func (listNamespaces) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	namespaces, err := all(func(cursor string) (latchkey.Page[latchkey.Namespace], error) {
		return client.Ratelimits.ListNamespaces(ctx, latchkey.ListNamespacesRequest{Cursor: cursor})
	})
	if err != nil {
		return err
	}
	return printList(a, namespaces, "ID NAME CREATED", func(n latchkey.Namespace) []string {
		return []string{n.ID, n.Name, date(n.CreatedAt)}
	})
}

// deleteNamespace deletes a rate-limit namespace.
type deleteNamespace struct {
	Namespace string `arg:"" help:"The namespace's name or id."`
}

// Run deletes the namespace.
func (c *deleteNamespace) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	if err := client.Ratelimits.DeleteNamespace(ctx, latchkey.DeleteNamespaceRequest{Namespace: c.Namespace}); err != nil {
		return err
	}
	return a.done("Deleted namespace %s. Limits in it now answer 410.", c.Namespace)
}
