// Package cli is the command line: latchkey serve runs the service, the other
// commands talk to one through its HTTP API, except latchkey vault, schema and
// copy, which work on the data itself.
//
// A setting comes from its flag, else from the environment, else from the
// configuration file, else from its default. Results go to standard output, in
// tables for people and as JSON with --json; everything else goes to standard
// error. A command that creates a secret or an id prints it alone on the last line,
// for scripts.
package cli

//go:generate go run ./gen

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

// grammar is the command line. The fields' order is the order of the help.
type grammar struct {
	globals

	Serve  serveCmd  `cmd:"" group:"service" help:"Run the service."`
	Status statusCmd `cmd:"" group:"service" help:"Show whether the service works, and who you are to it."`
	Doctor doctorCmd `cmd:"" group:"service" help:"Look for what is or will be wrong with an installation."`
	Call   callCmd   `cmd:"" group:"service" help:"Call any operation of the API."`

	Keys        keyCommands        `cmd:"" group:"manage" help:"Keys: create, verify, change, revoke."`
	APIs        apiCommands        `cmd:"" name:"apis" group:"manage" help:"APIs, which are groups of keys."`
	Identities  identityCommands   `cmd:"" group:"manage" help:"Owners of keys: customers, users, services."`
	Permissions permissionCommands `cmd:"" group:"manage" help:"Permissions of keys."`
	Roles       roleCommands       `cmd:"" group:"manage" help:"Roles, which are sets of permissions."`
	Limits      limitCommands      `cmd:"" group:"manage" help:"Rate limits that belong to no key."`
	Overrides   overrideCommands   `cmd:"" group:"manage" help:"Other limits for some identifiers of a namespace."`
	Namespaces  namespaceCommands  `cmd:"" group:"manage" help:"Rate-limit namespaces."`
	Budgets     budgetCommands     `cmd:"" group:"manage" help:"Budgets that keys, owners of keys and calls without a key share."`
	RootKeys    rootKeyCommands    `cmd:"" group:"manage" help:"Root keys, which authenticate API requests."`
	Self        selfCommands       `cmd:"" group:"manage" help:"What the holder of a key can do with it, without a root key."`
	Portals     portalCommands     `cmd:"" group:"manage" help:"Pages on which end users manage their own keys, and their sessions."`
	Webhooks    webhookCommands    `cmd:"" group:"manage" help:"Where events are sent."`
	Workspaces  workspaceCommands  `cmd:"" group:"manage" help:"Tenants, isolated from one another."`
	Migrations  struct {
		Create createMigration `cmd:"" help:"Prepare to import keys from another system; print the migration's id."`
	} `cmd:"" group:"manage" help:"Keys imported from other systems."`
	Export exportCmd     `cmd:"" group:"manage" help:"Write everything of a workspace but secrets to a file."`
	Import importCmd     `cmd:"" group:"manage" help:"Bring in keys and what belongs to them from a file."`
	Usage  usageCmd      `cmd:"" group:"manage" help:"Add up what happened to keys and rate limits."`
	Events eventCommands `cmd:"" group:"manage" help:"Single verifications and decisions on rate limits."`
	Audit  struct {
		List   listAudit   `cmd:"" help:"Show who changed what, newest first."`
		Verify verifyAudit `cmd:"" help:"Check that no record was edited, removed or added."`
	} `cmd:"" group:"manage" help:"The audit log of all changes."`

	Login    loginCmd        `cmd:"" group:"local" help:"Save the URL of a service with a root key for it."`
	Profiles profileCommands `cmd:"" group:"local" help:"Services that were saved by login."`
	Schema   struct {
		Status schemaStatus `cmd:"" help:"List the schema migrations and whether they are applied."`
	} `cmd:"" aliases:"migrate" group:"local" help:"The schema of the database."`
	Copy    copyCmd        `cmd:"" group:"local" help:"Copy everything from one database to another."`
	Backup  backupCommands `cmd:"" group:"local" help:"Backups of the data folder."`
	Restore restoreCmd     `cmd:"" group:"local" help:"Put a backup into an empty data folder."`
	Vault   struct {
		Rotate rotateCmd `cmd:"" help:"Replace the master key; the service must be stopped."`
	} `cmd:"" group:"local" help:"The master key."`
	Operator struct {
		Reset resetOperator `cmd:"" help:"Replace a lost root key of the operator; the service must be stopped."`
	} `cmd:"" group:"local" help:"The operator's root key."`
	Completion completionCmd `cmd:"" group:"local" help:"Print a script that completes commands in your shell."`
	Man        manCmd        `cmd:"" hidden:"" help:"Print the manual page."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Print possible next words."`
	Licenses   licensesCmd   `cmd:"" group:"local" help:"Print the licenses of Latchkey and of what is linked into it."`
	Version    versionCmd    `cmd:"" group:"local" help:"Print the version."`
}

// Help are the examples at the top of latchkey --help.
func (grammar) Help() string {
	return `Examples:

    latchkey serve
    latchkey apis create payments
    latchkey keys create --api payments --external-id user_1 --limit 10/s --expires 90d
    latchkey keys verify sk_…
    latchkey root-keys create --name ci 'api.*.verify_key'
    latchkey call keys.verifyKey '{"key":"sk_…"}'

Exit status: 0 success, 1 failure or a "no" (keys verify, limits check, budgets spend and reserve),
2 wrong command line, 3 not found, 4 not signed in or not permitted, 5 the service can't be reached
or is unavailable.
With --json, an error is one JSON object on standard error.`
}

// globals are the flags of every command.
type globals struct {
	URL         string `name:"url" group:"every" env:"LATCHKEY_URL" help:"URL of the service (default: that of the profile, else of the data folder, else http://127.0.0.1:7070)."`
	Profile     string `group:"every" env:"LATCHKEY_PROFILE" complete:"profiles" placeholder:"NAME" help:"Service to call, as latchkey login saved it (default: the last one)."`
	RootKey     string `group:"every" env:"LATCHKEY_ROOT_KEY" placeholder:"KEY" help:"Root key to authenticate with. Other users can see a flag, so set it in the environment."`
	RootKeyFile string `group:"every" env:"LATCHKEY_ROOT_KEY_FILE" type:"path" placeholder:"FILE" help:"File with the root key (default: the root key of the profile, else root.key in the data folder)."`
	Data        string `group:"every" env:"LATCHKEY_DATA" type:"path" default:"${data}" help:"Data folder."`
	JSON        bool   `name:"json" group:"every" env:"LATCHKEY_JSON" help:"Print JSON for programs instead of text for people."`
}

// app is what commands share besides their own flags.
type app struct {
	globals
	target         profile // the service to call; the root key is empty if it is in a file
	stdin          io.Reader
	stdout, stderr io.Writer
}

// newParser returns the parser of command lines.
func newParser(g *grammar, data string) *kong.Kong {
	parser, err := kong.New(g,
		kong.Name("latchkey"),
		kong.Description("Latchkey issues, verifies and revokes API keys. Start with: latchkey serve"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "service", Title: "The service:"},
			{Key: "manage", Title: "Managing a running service:"},
			{Key: "local", Title: "On this machine:"},
			{Key: "every", Title: "Flags of every command:"},
		}),
		kong.Configuration(loadConfig),
		kong.Resolvers(secretFiles{}),
		kong.Vars{"data": data},
	)
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	return parser
}

// Main runs a command and returns the process's exit status.
func Main(args []string) int {
	var g grammar
	parser := newParser(&g, defaultData())
	args = normalize(args)
	command, err := parser.Parse(args)
	if err != nil {
		return usage(parser, args, err)
	}
	a := &app{globals: g.globals, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	if err := a.run(command); err != nil {
		return a.report(err)
	}
	return exitOK
}

// run runs a command: its method Run, or else the operation that its tag names.
func (a *app) run(command *kong.Context) error {
	ctx := context.Background()
	if node := command.Selected(); node.Tag.Get("op") != "" {
		return a.operate(ctx, node)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.BindToProvider(a.client); err != nil {
		return err
	}
	return command.Run(a)
}

// defaultData is the default data folder. It doesn't depend on the current folder,
// which may be a repository where its secrets would be committed. It is empty where
// there is no home folder; then --data is required.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "latchkey")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share", "latchkey")
}

// client returns a client of the service to call.
func (a *app) client() (*latchkey.Client, error) {
	if err := a.chooseTarget(); err != nil {
		return nil, err
	}
	rootKey, err := a.rootKey()
	if err != nil {
		return nil, err
	}
	cfg := a.config()
	cfg.RootKey = rootKey
	return latchkey.New(cfg)
}

// clientFor returns a client without a root key for a public operation.
func (a *app) clientFor(op *latchkey.Operation) (*latchkey.Client, error) {
	if !op.Public {
		return a.client()
	}
	return a.clientWith("")
}

// clientWith returns a client that sends a key in place of a root key, or none.
func (a *app) clientWith(key string) (*latchkey.Client, error) {
	if err := a.chooseTarget(); err != nil {
		return nil, err
	}
	cfg := a.config()
	cfg.RootKeyFunc = func(context.Context) (string, error) { return key, nil }
	return latchkey.New(cfg)
}
