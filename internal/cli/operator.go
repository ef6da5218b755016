package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/latchkeyhq/latchkey/embedded"
)

// resetOperator makes a new root key of the operator.
type resetOperator struct {
	masterKey
	database
	Keep bool `help:"Keep the operator's other root keys enabled."`
}

// Help is the manual of latchkey operator reset.
func (resetOperator) Help() string {
	return `Creates a root key with every permission in every workspace, for when the operator's root
key is lost or leaked, prints it alone on the last line and saves it in the file root.key. The
operator's other root keys are disabled. It needs the master key, and works on the data itself: stop
the service first, unless its database is shared.

Examples:

    latchkey operator reset
    latchkey operator reset --data /var/lib/latchkey --keep
    latchkey operator reset --database postgres://latchkey@db/latchkey`
}

// Run makes the root key.
func (c *resetOperator) Run(ctx context.Context, a *app) error {
	rootKey, disabled, err := embedded.ResetOperator(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey,
	}, c.Keep)
	if rootKey == "" {
		return err
	}
	if printed := c.print(a, rootKey, disabled); err == nil {
		return printed
	}
	return err
}

func (c *resetOperator) print(a *app, rootKey string, disabled int) error {
	file := filepath.Join(a.Data, embedded.RootKeyFile)
	if a.JSON {
		return a.printJSON(struct {
			RootKey     string `json:"rootKey"`
			RootKeyFile string `json:"rootKeyFile"`
			Disabled    int    `json:"disabled"`
		}{rootKey, file, disabled})
	}
	_, err := fmt.Fprintf(a.stdout,
		"Disabled other root keys of the operator: %d. The new one is saved in %s:\n%s\n",
		disabled, file, rootKey)
	return err
}
