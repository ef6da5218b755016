package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/durable"
	"golang.org/x/term"
)

// profile is a service with the root key for it. They are kept together, so that no root key
// is sent to another service.
type profile struct {
	URL     string `json:"url"`
	RootKey string `json:"rootKey"`
}

// profiles is the file with the services that latchkey login has saved.
type profiles struct {
	Current  string             `json:"current"`
	Profiles map[string]profile `json:"profiles"`
}

// profilesFile is where the profiles are; "" if this user has no such folder.
func profilesFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "latchkey", "profiles.json")
}

// loadProfiles reads the profiles. It refuses a file that other users can read.
func loadProfiles() (profiles, error) {
	p := profiles{Profiles: map[string]profile{}}
	file := profilesFile()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("profiles: %w", err)
	}
	const others = 0o077
	info, err := os.Stat(file)
	if err == nil && os.PathSeparator == '/' && info.Mode().Perm()&others != 0 {
		return p, fmt.Errorf("other users can read the root keys in %s: run chmod 600 %s", file, file)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("profiles: %s is broken: %w", file, err)
	}
	return p, nil
}

// save replaces the file, readable by this user only.
func (p profiles) save() error {
	file := profilesFile()
	if file == "" {
		return errors.New("there is no home folder for profiles; set LATCHKEY_URL and LATCHKEY_ROOT_KEY")
	}
	if err := durable.MakeFolder(filepath.Dir(file)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(file, string(text)+"\n")
}

// loginCmd saves a profile.
type loginCmd struct {
	Service string `arg:"" name:"url" help:"URL of the service."`
	Name    string `placeholder:"NAME" help:"Name of the profile (default: the host)."`
}

// Help is the manual of latchkey login.
func (loginCmd) Help() string {
	return `Asks for a root key, or reads it from standard input, checks it and saves it with the
URL in a file that only you can read. Other commands use this pair from then on.

Examples:

    latchkey login https://keys.example.com
    latchkey login https://keys.example.com --name prod < root.key
    latchkey --profile prod keys list --api payments`
}

// Run asks for the root key, checks it and saves the profile.
func (c *loginCmd) Run(ctx context.Context, a *app) error {
	address, err := serviceURL(c.Service)
	if err != nil {
		return err
	}
	key, err := a.askRootKey(address)
	if err != nil {
		return err
	}
	client, err := latchkey.New(latchkey.Config{BaseURL: address, RootKey: key})
	if err != nil {
		return err
	}
	a.target = profile{URL: address}
	me, err := client.RootKeys.Whoami(ctx)
	if err != nil {
		return err
	}
	all, err := loadProfiles()
	if err != nil {
		return err
	}
	_, host, _ := strings.Cut(address, "://")
	all.Current = cmp.Or(c.Name, host)
	all.Profiles[all.Current] = profile{URL: address, RootKey: key}
	if err := all.save(); err != nil {
		return err
	}
	return a.done("Saved profile %s: workspace %s, root key %s.", all.Current, me.WorkspaceName,
		cmp.Or(me.Name, me.RootKeyID))
}

// askRootKey reads a root key, from a terminal without showing it.
func (a *app) askRootKey(address string) (string, error) {
	if a.RootKey != "" || a.RootKeyFile != "" {
		return a.rootKey()
	}
	if !a.terminal() {
		return a.secret("-")
	}
	fmt.Fprintf(a.stderr, "Root key for %s: ", address)
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(a.stderr)
	return strings.TrimSpace(string(text)), err
}

// profileCommands are the commands of profiles.
type profileCommands struct {
	List   listProfiles  `cmd:"" help:"List the saved services."`
	Use    useProfile    `cmd:"" help:"Choose the service of the following commands."`
	Delete deleteProfile `cmd:"" aliases:"logout" help:"Forget a service and its root key."`
}

// listProfiles lists the profiles.
type listProfiles struct{}

// Run lists the profiles, without root keys.
func (listProfiles) Run(a *app) error {
	all, err := loadProfiles()
	if err != nil {
		return err
	}
	type row struct {
		Name    string `json:"name"`
		URL     string `json:"url"`
		Current bool   `json:"current"`
	}
	rows := []row{}
	for _, name := range slices.Sorted(maps.Keys(all.Profiles)) {
		rows = append(rows, row{name, all.Profiles[name].URL, name == all.Current})
	}
	return printList(a, rows, "NAME URL CURRENT", func(r row) []string {
		return []string{r.Name, r.URL, yes(r.Current)}
	})
}

// useProfile chooses a profile.
type useProfile struct {
	Name string `arg:"" complete:"profiles" help:"Name of the profile."`
}

// Run chooses the profile.
func (c *useProfile) Run(a *app) error {
	all, err := loadProfiles()
	if err != nil {
		return err
	}
	if _, err := all.named(c.Name); err != nil {
		return err
	}
	all.Current = c.Name
	if err := all.save(); err != nil {
		return err
	}
	return a.done("Commands now call %s.", all.Profiles[c.Name].URL)
}

// deleteProfile deletes a profile.
type deleteProfile struct {
	Name string `arg:"" complete:"profiles" help:"Name of the profile."`
}

// Run deletes the profile.
func (c *deleteProfile) Run(a *app) error {
	all, err := loadProfiles()
	if err != nil {
		return err
	}
	if _, err := all.named(c.Name); err != nil {
		return err
	}
	delete(all.Profiles, c.Name)
	if all.Current == c.Name {
		all.Current = ""
	}
	if err := all.save(); err != nil {
		return err
	}
	return a.done("Deleted profile %s. Its root key still works; latchkey root-keys delete "+
		"deletes one.", c.Name)
}

// named returns a profile.
func (p profiles) named(name string) (profile, error) {
	found, ok := p.Profiles[name]
	if !ok {
		return found, &notFoundError{fmt.Sprintf(
			"there is no profile %q: latchkey login makes one, latchkey profiles list shows them", name)}
	}
	return found, nil
}
