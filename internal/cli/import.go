package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/wire"
)

// importCmd brings keys and what belongs to them into a workspace.
type importCmd struct {
	File   string `arg:"" type:"path" help:"File of latchkey export, JSON Lines or CSV; - reads standard input."`
	API    apiID  `name:"api" complete:"apis.listApis name" placeholder:"API" help:"API that the keys will belong to, by id or name (default: those of the file)."`
	Format string `enum:"auto,jsonl,csv" default:"auto" placeholder:"jsonl|csv" help:"Format of the file (default: csv if its name ends so, else jsonl)."`
	Hash   string `enum:"sha256,github.com/seamapi/prefixed-api-key" default:"sha256" placeholder:"ALGORITHM" help:"What was hashed, for lines that don't say it: ${enum} (default: sha256)."`
	DryRun bool   `help:"Check every line and change nothing."`
	Report string `type:"path" placeholder:"FILE" help:"File to write a line about each line that was not taken, as JSON."`
}

// Help is the manual of latchkey import.
func (importCmd) Help() string {
	return `Reads an export, or your own file with a key a line: its SHA-256 in hex or base64 as hash,
or the key itself as key, which is hashed here and not sent. The columns of CSV are key, hash,
start, name, externalId, meta, roles, permissions, expires, enabled, credits and limits; separate
roles, permissions and limits by spaces, and write times as 2027-01-31 and limits as 10/s. JSON
Lines have the fields of keys.migrateKeys.

Keys that are there already are not changed. So after an error, or if the command was killed, run
it again: it continues. The exit status is 1 if lines were not taken.

Examples:

    latchkey import workspace.jsonl
    latchkey import --api payments --dry-run keys.csv
    latchkey import --api payments --report rejected.jsonl keys.csv`
}

// Run imports the file.
func (c *importCmd) Run(ctx context.Context, a *app, client *latchkey.Client) (err error) {
	if c.API != "" {
		if err := c.API.resolve(ctx, client); err != nil {
			return err
		}
	}
	in := a.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	m := &importer{app: a, client: client, cmd: c, migrations: map[string]string{}}
	if c.Report != "" {
		f, err := os.OpenFile(c.Report, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		m.report = f
	}
	err = m.read(ctx, bufio.NewReaderSize(in, 1<<16), c.isCSV())
	if err == nil {
		err = m.flush(ctx)
	}
	return m.end(err)
}

func (c *importCmd) isCSV() bool {
	named := strings.HasSuffix(strings.ToLower(c.File), ".csv")
	return c.Format == "csv" || c.Format == "auto" && named
}

// importer imports lines.
type importer struct {
	app        *app
	client     *latchkey.Client
	cmd        *importCmd
	report     io.Writer // nil for none
	migrations map[string]string
	apis       map[string]string // the ids of the file's APIs here
	named      map[string][]string
	batch      batch

	keys, there, others, rejected int
	shown                         time.Time // when the progress was shown
}

// batch are keys that are sent together: of one API and one algorithm.
type batch struct {
	api, algorithm string
	keys           []latchkey.MigrateKey
	lines          []int
	bytes          int
	seen           map[string]bool
}

// The bounds of a batch.
const (
	batchKeys  = 500
	batchBytes = 4 << 20
)

// maxLine is how long a line can be: metadata of a megabyte, and everything else.
const maxLine = 4 << 20

// importKey is a key as a line of a file has it.
type importKey struct {
	APIID     string                      `json:"apiId"`
	Key       string                      `json:"key"`
	Algorithm latchkey.MigrationAlgorithm `json:"algorithm"`
	latchkey.MigrateKey
}

// keyFields are the fields of a line with a key. Another one is a mistake that would lose
// something.
var keyFields = map[string]bool{
	"kind": true, "apiId": true, "key": true, "algorithm": true, "hash": true, "start": true,
	"name": true, "externalId": true, "meta": true, "roles": true, "permissions": true,
	"expires": true, "enabled": true, "credits": true, "ratelimits": true,
	"keyId": true, "createdAt": true, "lastUsedAt": true, // of an export; they are not imported
}

// read reads all lines.
func (m *importer) read(ctx context.Context, in *bufio.Reader, csv bool) error {
	if csv {
		return m.readCSV(ctx, in)
	}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxLine)
	exported, ended, line := false, false, 0
	for scanner.Scan() {
		line++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		var head struct {
			Kind    string `json:"kind"`
			Version int    `json:"version"`
			Lines   int    `json:"lines"`
		}
		if err := json.Unmarshal(text, &head); err != nil {
			m.reject(line, "not a JSON object")
			continue
		}
		switch head.Kind {
		case kindHeader:
			if head.Version != exportVersion {
				return fmt.Errorf("the file has version %d of the format, and this program knows %d",
					head.Version, exportVersion)
			}
			exported = true
		case kindEnd:
			ended = head.Lines == line-1
		default:
			if err := m.line(ctx, line, head.Kind, text); err != nil {
				return err
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("line %d: %w", line+1, err)
	}
	if exported && !ended {
		m.reject(line, "the export is not whole: its last line is missing or lines were removed")
	}
	return nil
}

// line imports one line of JSON.
func (m *importer) line(ctx context.Context, line int, kind string, text []byte) error {
	if kind != "" && kind != kindKey {
		return m.other(ctx, line, kind, text)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		m.reject(line, "not a JSON object")
		return nil
	}
	for name := range fields {
		if !keyFields[name] {
			m.reject(line, "there is no field "+harmless(name))
			return nil
		}
	}
	var k importKey
	if err := json.Unmarshal(text, &k); err != nil {
		m.reject(line, "a field has a wrong type: "+plainJSONError(err))
		return nil
	}
	return m.add(ctx, line, &k)
}

// plainJSONError describes an error without what the file has: it can be a secret.
func plainJSONError(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		kind, _, _ := strings.Cut(wrong.Value, " ")
		return fmt.Sprintf("%s is a %s", strings.TrimPrefix(wrong.Field, "MigrateKey."), kind)
	}
	return "see latchkey import --help"
}

// harmless quotes a name unless it could be a secret.
func harmless(name string) string {
	const longest = 20
	if len(name) > longest || strings.ContainsAny(name, "0123456789_-") {
		return "with such a name"
	}
	return strconv.Quote(name)
}

// add adds a key to the batch, and sends it when it is full.
func (m *importer) add(ctx context.Context, line int, k *importKey) error {
	api, err := m.apiOf(k)
	if err == nil {
		err = k.prepare()
	}
	if err == nil {
		err = k.check()
	}
	if err != nil {
		m.reject(line, err.Error())
		return nil
	}
	algorithm := string(k.Algorithm)
	if algorithm == "" {
		algorithm = m.cmd.Hash
	}
	if api != m.batch.api || algorithm != m.batch.algorithm {
		if err := m.flush(ctx); err != nil {
			return err
		}
		m.batch = batch{api: api, algorithm: algorithm, seen: map[string]bool{}}
	}
	b := &m.batch
	if b.seen[k.Hash] {
		m.reject(line, "an earlier line has the same key")
		return nil
	}
	b.seen[k.Hash] = true
	text, err := json.Marshal(k.MigrateKey)
	if err != nil {
		return err
	}
	b.keys, b.lines = append(b.keys, k.MigrateKey), append(b.lines, line)
	if b.bytes += len(text); len(b.keys) == batchKeys || b.bytes > batchBytes {
		return m.flush(ctx)
	}
	return nil
}

// apiOf returns the API of a key: that of the command, or the one here that the file's was
// made into.
func (m *importer) apiOf(k *importKey) (string, error) {
	switch id := m.apis[k.APIID]; {
	case m.cmd.API != "":
		return string(m.cmd.API), nil
	case id != "":
		return id, nil
	case k.APIID == "":
		return "", errors.New("there is no API for the key: name one with --api")
	}
	return k.APIID, nil
}

// prepare hashes a key that is there in plain text, and checks a hash.
func (k *importKey) prepare() error {
	switch {
	case (k.Key == "") == (k.Hash == ""):
		return errors.New("the line must have either hash or key")
	case k.Key != "" && k.Algorithm != "" && k.Algorithm != latchkey.MigrateSHA256:
		return errors.New("a key in plain text is hashed with sha256 only")
	case k.Key != "":
		k.Algorithm = latchkey.MigrateSHA256
		k.Hash = hashOf(k.Key)
		if k.Start == "" {
			k.Start = shownStart(k.Key)
		}
		k.Key = ""
	default:
		sum, ok := sha256Of(k.Hash)
		if !ok {
			return errors.New("hash must be a SHA-256 in base64 (44 characters) or hex (64)")
		}
		k.Hash = base64.StdEncoding.EncodeToString(sum) // one form, so that repeated ones are found
	}
	return nil
}

// check makes the checks that the service makes of a key on its own, so that a dry run finds
// the same mistakes.
func (k *importKey) check() error {
	faults := wire.Check(&latchkey.MigrateKeysRequest{
		MigrationID: "mig_any", APIID: "api_any", Keys: []latchkey.MigrateKey{k.MigrateKey},
	})
	if len(faults) > 0 {
		return errors.New(reasonOf(&latchkey.Error{Faults: faults}))
	}
	return nil
}

// shownStart returns the beginning of a key for people to recognize it by, or "" if too little
// would be left of the secret.
func shownStart(key string) string {
	const hidden = 16
	start := storedStart(key)
	if len(key)-len(start) < hidden {
		return ""
	}
	return start
}

// flush sends the batch.
func (m *importer) flush(ctx context.Context) error {
	b := m.batch
	m.batch.keys, m.batch.lines, m.batch.bytes = nil, nil, 0
	m.batch.seen = map[string]bool{}
	if len(b.keys) == 0 {
		return nil
	}
	if m.cmd.DryRun {
		m.keys += len(b.keys)
		return nil
	}
	migration, err := m.migration(ctx, b.algorithm)
	if err != nil {
		return err
	}
	return m.send(ctx, migration, &b)
}

// send imports the keys of a batch. If the service finds a mistake in one of them, the halves
// are sent, so that only lines with mistakes are not taken.
func (m *importer) send(ctx context.Context, migration string, b *batch) error {
	done, err := m.client.Keys.Migrate(ctx, latchkey.MigrateKeysRequest{
		MigrationID: migration, APIID: b.api, Keys: b.keys,
	})
	var refused *latchkey.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		if len(b.keys) == 1 {
			m.reject(b.lines[0], reasonOf(refused))
			return nil
		}
		half := len(b.keys) / 2
		first := &batch{api: b.api, keys: b.keys[:half], lines: b.lines[:half]}
		second := &batch{api: b.api, keys: b.keys[half:], lines: b.lines[half:]}
		if err := m.send(ctx, migration, first); err != nil {
			return err
		}
		return m.send(ctx, migration, second)
	case err != nil:
		return err
	}
	m.keys += len(done.Migrated)
	there := make(map[string]bool, len(done.Failed))
	for _, hash := range done.Failed {
		there[hash] = true
	}
	for i, k := range b.keys {
		if there[k.Hash] {
			m.note(b.lines[i], "a key with this hash is there already")
			m.there++
		}
	}
	m.progress()
	return nil
}

// reasonOf says why the service refused a key. It never repeats values.
func reasonOf(e *latchkey.Error) string {
	if len(e.Faults) == 0 {
		return e.Detail
	}
	message := strings.ReplaceAll(e.Faults[0].Message, "keys[0].", "")
	return strings.TrimSpace(message + ". " + e.Faults[0].Fix)
}

// migration returns the id of a migration with the algorithm.
func (m *importer) migration(ctx context.Context, algorithm string) (string, error) {
	if id := m.migrations[algorithm]; id != "" {
		return id, nil
	}
	made, err := m.client.Migrations.Create(ctx, latchkey.CreateMigrationRequest{
		Algorithm: latchkey.MigrationAlgorithm(algorithm),
	})
	m.migrations[algorithm] = made.MigrationID
	return made.MigrationID, err
}

// shownRejects is how many lines that were not taken are shown.
const shownRejects = 10

// reject notes a line that is not taken.
func (m *importer) reject(line int, reason string) {
	m.rejected++
	if m.rejected <= shownRejects {
		fmt.Fprintf(m.app.stderr, "line %d: %s\n", line, clean([]string{reason})[0])
	}
	m.note(line, reason)
}

// note writes a line of the report.
func (m *importer) note(line int, reason string) {
	if m.report == nil {
		return
	}
	enc := json.NewEncoder(m.report)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Line   int    `json:"line"`
		Reason string `json:"reason"`
	}{line, reason}); err != nil {
		fmt.Fprintf(m.app.stderr, "latchkey: report: %v\n", err)
		m.report = nil
	}
}

// progress shows on a terminal, at most every second, how many keys are done.
func (m *importer) progress() {
	if m.app.JSON || m.app.width() == 0 || time.Since(m.shown) < time.Second {
		return
	}
	m.shown = time.Now()
	fmt.Fprintf(m.app.stderr, "%d keys imported, %d were there\n", m.keys, m.there)
}

// end prints what was done.
func (m *importer) end(err error) error {
	if m.app.JSON {
		wrong := m.app.printJSON(struct {
			Keys     int  `json:"keys"`
			There    int  `json:"there"`
			Others   int  `json:"others"`
			Rejected int  `json:"rejected"`
			DryRun   bool `json:"dryRun"`
		}{m.keys, m.there, m.others, m.rejected, m.cmd.DryRun})
		err = errors.Join(err, wrong)
	} else {
		verb := "Imported"
		if m.cmd.DryRun {
			verb = "Would import"
		}
		fmt.Fprintf(m.app.stdout, "%s %s and %s. %s already. %s not taken.\n", verb,
			plural(m.keys, "key"), plural(m.others, "other thing"),
			wereThere(m.there), plural(m.rejected, "line"))
	}
	if err == nil && m.rejected > 0 {
		return errRefused
	}
	if err != nil {
		return fmt.Errorf("%w (run the same command again to continue)", err)
	}
	return nil
}

func wereThere(n int) string {
	if n == 1 {
		return "1 key was there"
	}
	return fmt.Sprintf("%d keys were there", n)
}
