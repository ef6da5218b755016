package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/latchkeyhq/latchkey/embedded"
)

// addressFile is the file in the data folder with the URL of the service that runs there.
const addressFile = "address"

const defaultURL = "http://127.0.0.1:7070"

// chooseTarget decides which service to call, and with which root key, unless the flags and the
// environment say both: those of a profile belong together, and so do those of a data folder.
func (a *app) chooseTarget() error {
	a.Data = cmp.Or(a.Data, defaultData()) // LATCHKEY_DATA can be empty
	given := profile{URL: a.URL, RootKey: a.RootKey}
	if given.URL != "" {
		var err error
		if given.URL, err = serviceURL(given.URL); err != nil {
			return err
		}
	}
	chosen, err := a.chooseProfile()
	if err != nil {
		return err
	}
	local := cmp.Or(readLine(filepath.Join(a.Data, addressFile)), defaultURL)
	a.target = profile{URL: cmp.Or(given.URL, chosen.URL, local), RootKey: given.RootKey}
	if a.RootKey == "" && a.RootKeyFile == "" && chosen.URL == a.target.URL {
		a.target.RootKey = chosen.RootKey
	}
	return nil
}

// chooseProfile returns the profile that is named, or else the current one, unless a data folder
// is named.
func (a *app) chooseProfile() (profile, error) {
	all, err := loadProfiles()
	switch {
	case a.Profile != "" && err == nil:
		return all.named(a.Profile)
	case a.Profile != "" || err != nil && a.Data == defaultData():
		return profile{}, err
	case a.Data != defaultData():
		return profile{}, nil
	}
	return all.Profiles[all.Current], nil
}

// serviceURL completes a URL without a scheme: http for this machine and for addresses, else
// https.
func serviceURL(text string) (string, error) {
	text = strings.TrimRight(text, "/")
	if strings.Contains(text, "://") {
		for _, scheme := range []string{"http://", "https://", socketScheme} {
			if strings.HasPrefix(text, scheme) {
				return text, nil
			}
		}
		return "", errors.New("the URL of the service must begin with http://, https:// or unix://")
	}
	authority, _, _ := strings.Cut(text, "/")
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		host = authority
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" {
		return "http://" + text, nil
	}
	if host == "" {
		return "", fmt.Errorf("%q is not a URL; for a service on this machine write 127.0.0.1%s", text,
			text)
	}
	return "https://" + text, nil
}

// readLine returns the text of a small file, or "".
func readLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// rootKey returns the root key to call with.
func (a *app) rootKey() (string, error) {
	switch {
	case a.RootKey != "" && a.RootKeyFile != "":
		return "", errors.New("two root keys: give either --root-key (LATCHKEY_ROOT_KEY) or " +
			"--root-key-file (LATCHKEY_ROOT_KEY_FILE)")
	case a.RootKey != "":
		return a.RootKey, nil
	case a.target.RootKey != "":
		return a.target.RootKey, nil
	}
	file := cmp.Or(a.RootKeyFile, filepath.Join(a.Data, embedded.RootKeyFile))
	if a.RootKeyFile == "" && a.Data == defaultData() && !a.ownService() {
		return "", fmt.Errorf("%w for %s: sign in with latchkey login %[2]s, or give one with "+
			"--root-key-file or LATCHKEY_ROOT_KEY (the one in %s is for the service on this machine)",
			errNoRootKey, a.target.URL, file)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", noRootKey(file)
	}
	if err != nil {
		return "", fmt.Errorf("root key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// ownService reports whether the target is the service of the data folder, or at least on this
// machine, so that the operator's key isn't sent to another one.
func (a *app) ownService() bool {
	if a.target.URL == readLine(filepath.Join(a.Data, addressFile)) {
		return true
	}
	u, err := url.Parse(a.target.URL)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return strings.HasPrefix(a.target.URL, socketScheme) || u.Hostname() == "localhost" ||
		err == nil && ip.IsLoopback()
}

// errNoRootKey is the error of commands that don't know whom to call as.
var errNoRootKey = errors.New("no root key")

func noRootKey(file string) error {
	return fmt.Errorf("%w: sign in with latchkey login URL, give one with --root-key-file or "+
		"LATCHKEY_ROOT_KEY, or name the service's data folder with --data (there is no %s); if the "+
		"operator's is lost, stop the service and run latchkey operator reset", errNoRootKey, file)
}
