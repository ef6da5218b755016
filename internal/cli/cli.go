// Package cli is the command line: latchkey serve runs the service, the other
// commands talk to one through its HTTP API, except latchkey vault, migrate and
// copy, which work on the data itself.
//
// A setting comes from its flag, else from the environment, else from the
// configuration file, else from its default. Results go to standard output, in
// tables for people and as JSON with --json; everything else goes to standard
// error. A command that creates a secret or an id prints it alone on the last line,
// for scripts.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

// grammar is the command line. The fields' order is the order of the help.
type grammar struct {
	globals

	Serve serveCmd `cmd:"" group:"service" help:"Run the service."`
	Call  callCmd  `cmd:"" group:"service" help:"Call any operation of the API."`

	APIs struct {
		List   listAPIs  `cmd:"" help:"List the APIs of the workspace."`
		Update updateAPI `cmd:"" help:"Change settings of an API."`
	} `cmd:"" name:"apis" group:"manage" help:"APIs and their settings."`
	RootKeys struct {
		Create createRootKey `cmd:"" help:"Create a root key and print it."`
		List   listRootKeys  `cmd:"" help:"List the root keys of a workspace."`
		Update updateRootKey `cmd:"" help:"Change a root key."`
		Delete deleteRootKey `cmd:"" help:"Delete a root key; it stops working at once."`
	} `cmd:"" group:"manage" help:"Root keys, which authenticate API requests."`
	Workspaces struct {
		Create createWorkspace `cmd:"" help:"Create a workspace and print a root key for it."`
		List   listWorkspaces  `cmd:"" help:"List the workspaces."`
	} `cmd:"" group:"manage" help:"Tenants, isolated from one another."`
	Namespaces struct {
		List   listNamespaces  `cmd:"" help:"List the rate-limit namespaces."`
		Update updateNamespace `cmd:"" help:"Change settings of a rate-limit namespace."`
		Delete deleteNamespace `cmd:"" help:"Delete a rate-limit namespace."`
	} `cmd:"" group:"manage" help:"Rate-limit namespaces."`
	Migrations struct {
		Create createMigration `cmd:"" help:"Prepare to import keys from another system; print the migration's id."`
	} `cmd:"" group:"manage" help:"Keys imported from other systems."`
	Audit struct {
		List listAudit `cmd:"" help:"Show who changed what, newest first."`
	} `cmd:"" group:"manage" help:"The audit log of all changes."`

	Migrate struct {
		Status migrateStatus `cmd:"" help:"List the schema migrations and whether they are applied."`
	} `cmd:"" group:"local" help:"The schema of the database."`
	Copy  copyCmd `cmd:"" group:"local" help:"Copy everything from one database to another."`
	Vault struct {
		Rotate rotateCmd `cmd:"" help:"Replace the master key; the service must be stopped."`
	} `cmd:"" group:"local" help:"The master key."`
	Operator struct {
		Reset resetOperator `cmd:"" help:"Replace a lost root key of the operator; the service must be stopped."`
	} `cmd:"" group:"local" help:"The operator's root key."`
	Completion completionCmd `cmd:"" group:"local" help:"Print a script that completes commands in your shell."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Print possible next words."`
	Licenses   licensesCmd   `cmd:"" group:"local" help:"Print the licenses of Latchkey and of what is linked into it."`
	Version    versionCmd    `cmd:"" group:"local" help:"Print the version."`
}

// Help are the examples at the top of latchkey --help.
func (grammar) Help() string {
	return `Examples:

    latchkey serve
    latchkey call apis.createApi '{"name":"my api"}'
    latchkey call keys.verifyKey '{"key":"sk_…"}'
    latchkey root-keys create --name ci 'api.*.verify_key'`
}

// globals are the flags of every command.
type globals struct {
	URL         string `name:"url" group:"every" env:"LATCHKEY_URL" default:"http://127.0.0.1:7070" help:"URL of the service."`
	RootKey     string `group:"every" env:"LATCHKEY_ROOT_KEY" placeholder:"KEY" help:"Root key to authenticate with. Other users can see a flag, so set it in the environment."`
	RootKeyFile string `group:"every" env:"LATCHKEY_ROOT_KEY_FILE" type:"path" placeholder:"FILE" help:"File with the root key (default: root.key in the data folder)."`
	Data        string `group:"every" env:"LATCHKEY_DATA" type:"path" default:"${data}" help:"Data folder."`
	JSON        bool   `name:"json" group:"every" env:"LATCHKEY_JSON" help:"Print JSON for programs instead of text for people."`
}

// app is what commands share besides their own flags.
type app struct {
	globals
	stdin          io.Reader
	stdout, stderr io.Writer
}

// Main runs a command and returns the process's exit status.
func Main(args []string) int {
	var g grammar
	parser, err := kong.New(&g,
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
		kong.Vars{"data": defaultData()},
	)
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "latchkey: %v\nlatchkey --help lists the commands\n", err)
		return 2
	}
	a := &app{globals: g.globals, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	command.BindTo(context.Background(), (*context.Context)(nil))
	if err := command.BindToProvider(a.client); err != nil {
		panic(err)
	}
	if err := command.Run(a); err != nil {
		a.report(err)
		return 1
	}
	return 0
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

// client returns a client with the configured root key.
func (a *app) client() (*latchkey.Client, error) {
	rootKey, err := a.rootKey()
	if err != nil {
		return nil, err
	}
	return latchkey.New(latchkey.Config{BaseURL: a.URL, RootKey: rootKey})
}
