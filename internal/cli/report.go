package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// The exit statuses. latchkey --help and docs/cli.md document them.
const (
	exitOK          = 0
	exitFailed      = 1 // anything else, and a "no"
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4 // not signed in, or not permitted
	exitUnavailable = 5 // the service can't be reached, or can't answer now
)

// exitStatus returns the exit status for an error.
func exitStatus(err error) int {
	var refused *latchkey.Error
	var unreached *url.Error
	var missing *notFoundError
	switch {
	case errors.As(err, &missing), errors.Is(err, latchkey.ErrNotFound):
		return exitNotFound
	case errors.Is(err, latchkey.ErrUnauthorized), errors.Is(err, latchkey.ErrForbidden),
		errors.Is(err, errNoRootKey):
		return exitDenied
	case errors.Is(err, latchkey.ErrUnavailable), errors.Is(err, errNotReady),
		errors.As(err, &unreached) && !errors.As(err, &refused):
		return exitUnavailable
	}
	return exitFailed
}

// report prints what went wrong and what to do next, and returns the exit status.
func (a *app) report(err error) int {
	var refused *latchkey.Error
	switch {
	case errors.Is(err, errRefused): // which has been printed
	case a.JSON:
		a.reportJSON(err)
	case errors.As(err, &refused):
		a.reportRefusal(refused)
		a.reportHint(err)
	default:
		fmt.Fprintf(a.stderr, "latchkey: %s\n", message(err))
		a.reportHint(err)
	}
	return exitStatus(err)
}

func message(err error) string { return strings.TrimPrefix(err.Error(), "latchkey: ") }

func (a *app) reportHint(err error) {
	if hint := a.hint(err); hint != "" {
		fmt.Fprintf(a.stderr, "%s\n", hint)
	}
}

// failure is an error as programs read it.
type failure struct {
	Code      string           `json:"code"`
	Message   string           `json:"message"`
	Status    int              `json:"status,omitempty"`
	Faults    []latchkey.Fault `json:"faults,omitempty"`
	RequestID string           `json:"requestId,omitempty"`
	Hint      string           `json:"hint,omitempty"`
}

// reportJSON writes an error for programs, on one line.
func (a *app) reportJSON(err error) {
	codes := map[int]string{
		exitNotFound: "not_found", exitDenied: "not_signed_in", exitUnavailable: "unreachable",
		exitFailed: "failed",
	}
	f := failure{Code: codes[exitStatus(err)], Message: message(err), Hint: a.hint(err)}
	var refused *latchkey.Error
	if errors.As(err, &refused) {
		f.Code, f.Message, f.Status = refused.Code(), refused.Detail, refused.Status
		f.Faults, f.RequestID = refused.Faults, refused.RequestID
	}
	a.writeFailure(f)
}

func (a *app) writeFailure(f failure) {
	enc := json.NewEncoder(a.stderr)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]failure{"error": f}) // there is nowhere to say that it failed
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
	var unresolved *net.DNSError
	var address *net.AddrError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return fmt.Sprintf("The service at %s does not know this root key. It comes from --root-key, "+
			"else LATCHKEY_ROOT_KEY, else the profile, else the file %s.",
			a.target.URL, filepath.Join(a.Data, embedded.RootKeyFile))
	case errors.As(err, &unresolved):
		return fmt.Sprintf("There is no host %s. Check --url and LATCHKEY_URL.", unresolved.Name)
	case errors.As(err, &unreached):
		return fmt.Sprintf("Is the service at %s running? Start it with: latchkey serve", a.target.URL)
	case errors.As(err, &address) && strings.HasPrefix(address.Err, "missing port"):
		return "Give the address with a port, such as 127.0.0.1:7070."
	case errors.Is(err, embedded.ErrInUse):
		return "Stop the service that is running there, or choose another folder with --data."
	case errors.Is(err, fs.ErrExist):
		return "Nothing is overwritten. Name another file, or another folder with --data, or move the " +
			"old files away first."
	case errors.Is(err, syscall.EADDRINUSE):
		return "Another program listens on that address. Choose another one with --listen, or any free " +
			"port with --listen 127.0.0.1:0"
	case errors.Is(err, fs.ErrPermission):
		return "Run the command as the user of the service (sudo latchkey …), name another root key " +
			"with --root-key-file, or another folder with --data."
	}
	return ""
}
