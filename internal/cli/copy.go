package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store"
)

// copyCmd copies a whole installation from one database to another.
type copyCmd struct {
	From string `required:"" secret:"" env:"LATCHKEY_COPY_FROM" placeholder:"URL" help:"Source: sqlite://FOLDER or postgres://…"`
	To   string `required:"" secret:"" env:"LATCHKEY_COPY_TO" placeholder:"URL" help:"Target, in the same form: an empty database or folder."`
}

// Help is the manual of latchkey copy.
func (copyCmd) Help() string {
	return `Copies everything from one database to another, in either direction, and compares both
sides row by row before it commits. Stop the service on a SQLite folder first. Stop the nodes of a
PostgreSQL source too: the copy has none of the changes made meanwhile. An interrupted copy leaves
the target empty; run it again.

No database contains the master key: copy the file master.key, or set LATCHKEY_MASTER_KEY.

Example, from one machine to many:

    latchkey copy --from sqlite:///var/lib/latchkey --to postgres://latchkey@db/latchkey`
}

// Run copies, and prints what was copied.
func (c *copyCmd) Run(ctx context.Context, a *app) error {
	if err := makeTarget(c.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	copied, err := store.Copy(ctx, c.From, c.To, a.progress())
	if err != nil {
		return err
	}
	type row struct {
		Table string `json:"table"`
		Rows  int64  `json:"rows"`
		Hash  string `json:"hash"`
	}
	rows := make([]row, len(copied))
	for i, t := range copied {
		rows[i] = row{t.Name, t.Rows, t.Hash}
	}
	err = printList(a, rows, "TABLE ROWS SHA-256", func(r row) []string {
		return []string{r.Table, strconv.FormatInt(r.Rows, 10), r.Hash}
	})
	if err != nil {
		return err
	}
	return a.done(
		"Both sides are equal. Give every node that serves the copy the same master key: the file " +
			"master.key of the old data folder, or LATCHKEY_MASTER_KEY.",
	)
}

// makeTarget creates the folder of a SQLite database.
func makeTarget(to string) error {
	if store.IsPostgres(to) {
		return nil
	}
	dir, err := store.Folder(to)
	if err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}

// progress returns a function that shows the progress of a copy: a bar on a
// terminal, a line for each table elsewhere.
func (a *app) progress() func(table string, done, total int64) {
	if isTerminal(a.stderr) {
		return func(table string, done, total int64) { drawBar(a.stderr, table, done, total) }
	}
	return func(table string, done, total int64) {
		if done == total {
			fmt.Fprintf(a.stderr, "%s: %d rows\n", table, total)
		}
	}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// drawBar redraws a progress bar, and ends its line when all is done.
func drawBar(w io.Writer, table string, done, total int64) {
	const width = 30
	filled := width
	if total > 0 {
		filled = int(min(done, total) * width / total)
	}
	end := ""
	if done == total {
		end = "\n"
	}
	fmt.Fprintf(w, "\r%-18s %s%s %d/%d%s", table, strings.Repeat("█", filled),
		strings.Repeat("░", width-filled), done, total, end)
}
