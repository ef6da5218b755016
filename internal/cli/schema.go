package cli

import (
	"cmp"
	"context"
	"net/url"
	"strconv"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// database is the flag of commands that open the data, wherever it is.
type database struct {
	Database string `secret:"" env:"LATCHKEY_DATABASE" placeholder:"URL" help:"PostgreSQL database that nodes share, such as postgres://user:password@host/name; default: SQLite in the data folder. Set a URL with a password in the environment, where other users can't see it."`
}

// where is what the store opens.
func (d database) where(a *app) string { return cmp.Or(d.Database, "sqlite://"+a.Data) }

// kind names the engine of the database.
func (d database) kind() string {
	if d.Database == "" {
		return "sqlite"
	}
	return "postgres"
}

// place says where the data is, for people and without a password.
func (d database) place(a *app) string {
	if d.Database == "" {
		return a.Data
	}
	u, err := url.Parse(d.Database)
	if err != nil {
		return "a shared database"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// schemaStatus shows how far the schema of the data has come.
type schemaStatus struct {
	database
}

// Help is the manual of latchkey schema status.
func (schemaStatus) Help() string {
	return `latchkey serve brings the schema up to date when it starts. This command changes nothing
and can run beside services. "Oldest" is the lowest migration that a program must know to work with
the data after that step: during an upgrade, all such programs can run side by side.`
}

// Run prints one row a migration.
func (c *schemaStatus) Run(ctx context.Context, a *app) error {
	all, err := store.MigrationStatus(ctx, c.where(a))
	if err != nil {
		return err
	}
	type row struct {
		Number int    `json:"number"`
		Name   string `json:"name"`
		State  string `json:"state"`
		Oldest int    `json:"oldest"`
	}
	rows := make([]row, len(all))
	for i, m := range all {
		rows[i] = row{m.Number, m.Name, "pending", m.Oldest}
		if m.Applied {
			rows[i].State = "applied"
		}
	}
	return printList(a, rows, "NUMBER NAME STATE OLDEST", func(r row) []string {
		return []string{strconv.Itoa(r.Number), r.Name, r.State, strconv.Itoa(r.Oldest)}
	})
}
