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
	From string `required:"" env:"LATCHKEY_COPY_FROM" placeholder:"URL" help:"What to copy: sqlite://FOLDER or postgres://…"`
	To   string `required:"" env:"LATCHKEY_COPY_TO" placeholder:"URL" help:"Where to: an empty database or folder, written in the same way."`
}

// Help is the manual of latchkey copy.
func (copyCmd) Help() string {
	return `Copies everything from one database to another, in either direction, and compares both sides row by row before it is kept. The service on a SQLite folder must be stopped; what changes in a PostgreSQL source meanwhile is not in the copy, so stop its nodes too. A copy that is interrupted leaves the target empty; run it again.

The master key is not in any database: take the file master.key along, or LATCHKEY_MASTER_KEY.

Example, from one machine to many:

    latchkey copy --from sqlite:///var/lib/latchkey --to postgres://latchkey@db/latchkey`
}

// Run copies, and prints what was copied.
func (c *copyCmd) Run(ctx context.Context, a *app) error {
	if dir, ok := strings.CutPrefix(c.To, "sqlite://"); ok {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
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
	return a.done("Both sides are equal. Give every node that serves the copy the same master key: the file master.key of the old data folder, or LATCHKEY_MASTER_KEY.")
}

// progress returns what shows how far a copy has come: a bar on a terminal, and
// a line for each table elsewhere.
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

// isTerminal reports whether what is written there is read by a person at once.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// drawBar draws how much is done in place of what it drew last, and leaves it
// when all is.
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
	fmt.Fprintf(w, "\r%-18s %s%s %d/%d%s", table, strings.Repeat("█", filled), strings.Repeat("░", width-filled), done, total, end)
}
