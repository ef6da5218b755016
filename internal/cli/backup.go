package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/latchkeyhq/latchkey/embedded"
)

// backupCommands make and check backups of the data folder.
type backupCommands struct {
	Create createBackup `cmd:"" default:"withargs" help:"Back up the data folder to a new file, while the service runs."`
	Verify verifyBackup `cmd:"" help:"Check that a backup is whole, and that the master key opens it."`
}

// createBackup backs up the data folder.
type createBackup struct {
	File string `arg:"" type:"path" help:"File to create."`
	database
}

// Help is the manual of latchkey backup.
func (createBackup) Help() string {
	return `Copies the database in the data folder as it is at one instant. The service goes on
meanwhile. The backup has every change that was acknowledged before that instant. It is checked, and
has its name only when it is whole and on disk. Only its owner can read it.

A backup has neither the master key nor the root key. Keep a copy of the file master.key in another
place: without it, latchkey restore refuses the backup. latchkey serve --backup-dir makes backups by
itself. Back up a PostgreSQL database with pg_dump.

Examples:

    latchkey backup /mnt/backups/latchkey-monday
    latchkey backup verify /mnt/backups/latchkey-monday
    latchkey restore /mnt/backups/latchkey-monday --data /var/lib/latchkey`
}

// Run makes the backup.
func (c *createBackup) Run(ctx context.Context, a *app) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	var progress func(done, total int64)
	if isTerminal(a.stderr) {
		progress = func(done, total int64) { drawBar(a.stderr, "bytes", done, total) }
	}
	cfg := embedded.Config{Data: a.Data, Database: c.Database}
	b, err := embedded.BackUp(ctx, cfg, c.File, progress)
	if err != nil {
		return err
	}
	return a.printBackup(b, c.File, notChecked)
}

// What is known of the master key of a backup.
const notChecked, opens = "not checked", "opens the backup"

// verifyBackup checks a backup.
type verifyBackup struct {
	File string `arg:"" type:"path" help:"Backup to check."`
	masterKey
}

// Help is the manual of latchkey backup verify.
func (verifyBackup) Help() string {
	return `Reads the whole backup and changes nothing. The master key is that in the data folder, or
LATCHKEY_MASTER_KEY; without one it is not checked. Exit status 0 if the backup can be restored,
else 1.`
}

// Run checks the backup.
func (c *verifyBackup) Run(ctx context.Context, a *app) error {
	b, err := embedded.VerifyBackup(ctx, embedded.Config{Data: a.Data, MasterKey: c.MasterKey}, c.File)
	if err != nil {
		return err
	}
	masterKey := notChecked
	if b.Opened {
		masterKey = opens
	}
	return a.printBackup(b, c.File, masterKey)
}

// restoreCmd puts a backup into a data folder.
type restoreCmd struct {
	File string `arg:"" type:"path" help:"Backup to restore."`
	masterKey
	database
}

// Help is the manual of latchkey restore.
func (restoreCmd) Help() string {
	return `Restores into the data folder, which must have no database. Put the file master.key into
the folder first, or set LATCHKEY_MASTER_KEY. Nothing is restored from a backup that is damaged,
that is of a newer version of Latchkey, or that the master key does not open.

Changes made after the backup are gone: keys that were revoked since then work again, and spent
credits are back. If root.key is lost, run latchkey operator reset.`
}

// Run restores the backup.
func (c *restoreCmd) Run(ctx context.Context, a *app) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if a.Data == "" {
		return errors.New("there is no home folder for the data; name a folder with --data")
	}
	b, err := embedded.Restore(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey,
	}, c.File)
	if err != nil {
		return err
	}
	if err := a.printBackup(b, c.File, opens); err != nil || a.JSON {
		return err
	}
	_, err = fmt.Fprintf(a.stderr, "Restored into %s. Keys revoked after %s work again: "+
		"revoke them before you start the service for others.\n", a.Data, b.At.Format(time.RFC3339))
	return err
}

// printBackup prints what is in a backup, and whether its master key was checked.
func (a *app) printBackup(b embedded.Backup, file, masterKey string) error {
	if a.JSON {
		return a.printJSON(struct {
			File      string    `json:"file"`
			At        time.Time `json:"at"`
			Schema    int       `json:"schema"`
			Bytes     int64     `json:"bytes"`
			SHA256    string    `json:"sha256"`
			MasterKey string    `json:"masterKey"`
		}{file, b.At, b.Schema, b.Bytes, b.SHA256, masterKey})
	}
	return printLines(a, []line{
		{"File", file}, {"Instant", b.At.Format(time.RFC3339Nano)}, {"Schema", fmt.Sprint(b.Schema)},
		{"Bytes", fmt.Sprint(b.Bytes)}, {"SHA-256", b.SHA256}, {"Master key", masterKey},
	})
}
