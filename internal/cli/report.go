package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// rootKey returns the root key to call with.
func (a *app) rootKey() (string, error) {
	switch {
	case a.RootKey != "" && a.RootKeyFile != "":
		return "", errors.New("two root keys: give either --root-key (LATCHKEY_ROOT_KEY) or " +
			"--root-key-file (LATCHKEY_ROOT_KEY_FILE)")
	case a.RootKey != "":
		return a.RootKey, nil
	}
	file := cmp.Or(a.RootKeyFile, filepath.Join(a.Data, embedded.RootKeyFile))
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf(
			"no root key: give one with --root-key-file or LATCHKEY_ROOT_KEY, or name the service's data "+
				"folder with --data (there is no %s); if the operator's is lost, stop the service and run "+
				"latchkey operator reset",
			file,
		)
	}
	if err != nil {
		return "", fmt.Errorf("root key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// report prints what went wrong and what to do next.
func (a *app) report(err error) {
	var refused *latchkey.Error
	if errors.As(err, &refused) {
		a.reportRefusal(refused)
	} else {
		fmt.Fprintf(a.stderr, "latchkey: %s\n", strings.TrimPrefix(err.Error(), "latchkey: "))
	}
	if hint := a.hint(err); hint != "" {
		fmt.Fprintf(a.stderr, "%s\n", hint)
	}
}

// reportRefusal writes an error of the API, one fault a line.
func (a *app) reportRefusal(e *latchkey.Error) {
	fmt.Fprintf(a.stderr, "latchkey: %d %s: %s\n", e.Status, e.Code(), e.Detail)
	for _, fault := range e.Faults {
		fmt.Fprintf(a.stderr, "  %s: %s", fault.Location, fault.Message)
		if fault.Fix != "" {
			fmt.Fprintf(a.stderr, " (%s)", fault.Fix)
		}
		fmt.Fprintln(a.stderr)
	}
	if e.RequestID != "" {
		fmt.Fprintf(a.stderr, "  request %s\n", e.RequestID)
	}
}

// hint returns what to do about an error, or "".
func (a *app) hint(err error) string {
	var unreached *url.Error
	var refused *latchkey.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return fmt.Sprintf("The service at %s does not know this root key. It comes from --root-key, "+
			"else LATCHKEY_ROOT_KEY, else the file %s.",
			a.URL, filepath.Join(a.Data, embedded.RootKeyFile))
	case errors.As(err, &unreached):
		return fmt.Sprintf("Is the service at %s running? Start it with: latchkey serve", a.URL)
	case errors.Is(err, embedded.ErrInUse):
		return "Stop the service that is running there, or choose another folder with --data."
	case errors.Is(err, syscall.EADDRINUSE):
		return "Another program listens on that address. Choose another one with --listen, or any free " +
			"port with --listen 127.0.0.1:0"
	case errors.Is(err, fs.ErrPermission):
		return "Give this user read and write permission there, or choose another folder with --data."
	}
	return ""
}
