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

// day is a window long enough that no run crosses its end by bad luck alone,
// in milliseconds.
const day = 24 * 60 * 60 * 1000

func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set; compat/run sets it")
	}
	return value
}

// unique returns a name that nothing else on the server has.
func unique(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()[:12]) }

// lastLine runs a command and returns the last line it prints, where the
// latchkey program puts what other programs want of it.
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

// rootKey makes a root key that holds the permissions and nothing else.
func rootKey(permissions ...string) string {
	command := strings.Fields(env("ROOT_KEY_CMD"))
	return lastLine(command[0], append(command[1:], permissions...)...)
}

// recorder is an HTTP client that remembers which operations were answered with
// success.
type recorder struct{ answered map[string]bool }

// Do sends the request as the SDK made it.
func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(req)
	if err == nil && res.StatusCode == http.StatusOK {
		r.answered[strings.ToLower(path.Base(req.URL.Path))] = true
	}
	return res, err
}
