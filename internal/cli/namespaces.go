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
	return printList(a, namespaces, "ID NAME DEGRADED CREATED", func(n latchkey.Namespace) []string {
		return []string{n.ID, n.Name, string(n.WhenDegraded), date(n.CreatedAt)}
	})
}

// namespaceSettings are what namespaces update can set.
var namespaceSettings = settings{"whenDegraded": text, "algorithm": text}

// updateNamespace changes the settings of a rate-limit namespace.
type updateNamespace struct {
	Namespace string   `arg:"" help:"The namespace's name or id."`
	Settings  []string `arg:"" name:"name=value" help:"What to change: whenDegraded or algorithm."`
}

// Help are the examples of latchkey namespaces update --help.
func (updateNamespace) Help() string {
	return `whenDegraded is what rate limits do while the shared counters are unavailable:
with share each node decides alone with its share of the limit, with refuse it
denies. algorithm is the default algorithm of the namespace: sliding_window or
token_bucket.

Examples:

    latchkey namespaces update sign-in whenDegraded=refuse
    latchkey namespaces update sign-in whenDegraded=share
    latchkey namespaces update sign-in algorithm=token_bucket`
}

// Run changes the settings.
func (c *updateNamespace) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	return a.update(ctx, client, "ratelimit.updateNamespace", namespaceSettings, c.Settings,
		"namespace", c.Namespace)
}

// deleteNamespace deletes a rate-limit namespace.
type deleteNamespace struct {
	Namespace string `arg:"" help:"The namespace's name or id."`
}

// Run deletes the namespace.
func (c *deleteNamespace) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	request := latchkey.DeleteNamespaceRequest{Namespace: c.Namespace}
	if err := client.Ratelimits.DeleteNamespace(ctx, request); err != nil {
		return err
	}
	return a.done("Deleted namespace %s. Limits in it now return 410.", c.Namespace)
}
