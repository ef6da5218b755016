package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
)

// day is a window in milliseconds. It is long, so that a run seldom crosses its end.
const day = 24 * 60 * 60 * 1000

func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set; compat/run sets it")
	}
	return value
}

// unique returns a name that is unique on the server.
func unique(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()[:12]) }

// lastLine runs a command and returns the last line of its output, where the latchkey program
// prints ids and keys.
func lastLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(must(out, err))), "\n")
	return lines[len(lines)-1]
}

// latchkey runs the latchkey program as the server's operator.
func latchkey(args ...string) string { return lastLine(env("LATCHKEY"), args...) }

// rootKey creates a root key with only these permissions.
func rootKey(permissions ...string) string {
	command := strings.Fields(env("ROOT_KEY_CMD"))
	return lastLine(command[0], append(command[1:], permissions...)...)
}

// recorder is an HTTP client that records which operations succeeded.
type recorder struct{ succeeded map[string]bool }

// Do sends the request of the SDK unchanged.
func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(req)
	if err == nil && res.StatusCode == http.StatusOK {
		r.succeeded[strings.ToLower(path.Base(req.URL.Path))] = true
	}
	return res, err
}
