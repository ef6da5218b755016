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
	Database string `env:"LATCHKEY_DATABASE" placeholder:"URL" help:"PostgreSQL database that nodes share, such as postgres://user:password@host/name; by default the data is in the data folder. Better set in the environment if there is a password in it."`
}

// where is what the store opens.
func (d database) where(a *app) string { return cmp.Or(d.Database, a.Data) }

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

// migrateStatus shows how far the schema of the data has come.
type migrateStatus struct {
	database
}

// Help is the manual of latchkey migrate status.
func (migrateStatus) Help() string {
	return `The schema is brought up to date by latchkey serve when it starts; this command changes nothing, and services may run meanwhile. "Oldest" is the number of migrations that a program must at least know to work with the data after that step: while an upgrade is under way, programs from there on run side by side.`
}

// Run prints one row a migration.
func (c *migrateStatus) Run(ctx context.Context, a *app) error {
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
