package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/latchkeyhq/latchkey/embedded"
)

// masterKey is the flag of commands that open the data folder.
type masterKey struct {
	MasterKey string `secret:"" env:"LATCHKEY_MASTER_KEY" placeholder:"KEY" help:"Master key, if it is not in the data folder. Set it in the environment rather than here, where other users can see it."`
}

// rotateCmd replaces the master key.
type rotateCmd struct {
	masterKey
	database
}

// Help is the manual of latchkey vault rotate.
func (rotateCmd) Help() string {
	return `Creates a new master key, rewraps all data keys with it and discards the old one. The data
keys are replaced too: what is encrypted from now on is under new ones, and the service
encrypts recoverable keys again in the background, which the metric latchkey_reseal_pending
shows. If it is interrupted, run it again: nothing is lost.

Older backups still need the old master key: keep a copy of the file master.key with them.`
}

// Run replaces the master key, or says how to where it is kept elsewhere.
func (c *rotateCmd) Run(ctx context.Context, a *app) error {
	if c.MasterKey != "" && c.count() == 1 {
		return c.explain(a)
	}
	rewrapped, err := embedded.Rotate(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey,
	})
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.printJSON(map[string]int{"rewrapped": rewrapped})
	case c.MasterKey != "":
		return a.done(
			"Rewrapped %d data keys with the first master key. Remove the other ones from "+
				"LATCHKEY_MASTER_KEY.",
			rewrapped,
		)
	}
	return a.done("Created a new master key and rewrapped %d data keys with it.", rewrapped)
}

// count returns how many master keys are given.
func (c *rotateCmd) count() int {
	return len(strings.FieldsFunc(c.MasterKey, func(r rune) bool {
		return r == ',' || unicode.IsSpace(r)
	}))
}

// explain describes how to replace a master key that this command can't write.
func (c *rotateCmd) explain(a *app) error {
	_, err := fmt.Fprintf(a.stdout, `The master key is in the environment, where only you
can replace it:

1. Stop the service and put a new master key and a comma before the current one:
   LATCHKEY_MASTER_KEY=%s,…
2. Run latchkey vault rotate again. It rewraps all data keys with the first master key.
3. Remove the comma and the old master key, and start the service.
`, embedded.NewMasterKey())
	return errors.Join(err,
		errors.New("nothing was changed: LATCHKEY_MASTER_KEY has only the current master key"))
}
