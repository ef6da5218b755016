package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey/bench/proc"
)

// env is what the trials of a run share: a folder for what lives as long as the
// run, the servers that were started, and how long things take.
type env struct {
	dir    string // for data
	bin    string // for programs; kept from run to run
	rounds int
	turn   time.Duration
	quick  bool
	made   map[string]any

	mu      sync.Mutex // an interrupt cleans up too
	cleanup []func() error
}

// newEnv returns an env with folders. Data folders stand beside the programs, so
// that commits wait for a disk even where the folder for temporary files is
// memory.
func newEnv() (*env, error) {
	bin, err := filepath.Abs(".bin")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(bin, "run-")
	if err != nil {
		return nil, err
	}
	e := &env{dir: dir, bin: bin, rounds: 11, turn: 600 * time.Millisecond, made: make(map[string]any)}
	e.defers(func() error { return os.RemoveAll(dir) })
	return e, os.Chmod(dir, 0o755) // PostgreSQL runs as another user
}

// say tells the person at the terminal what goes on.
func (e *env) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// defers has something done at the end of the run, the last first.
func (e *env) defers(f func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cleanup = append(e.cleanup, f)
}

// close stops all servers and removes their data.
func (e *env) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(e.cleanup) {
		errs = append(errs, f())
	}
	e.cleanup = nil
	return errors.Join(errs...)
}

// outcome is what making a thing came to.
type outcome[T any] struct {
	thing T
	err   error
}

// once makes a thing when it is first asked for and remembers it, or why it
// can't be had, for the rest of the run.
func once[T any](e *env, name string, make func() (T, error)) (T, error) {
	if o, ok := e.made[name].(outcome[T]); ok {
		return o.thing, o.err
	}
	thing, err := make()
	e.made[name] = outcome[T]{thing, err}
	return thing, err
}

// start starts a server that runs until the end of the run.
func (e *env) start(cmd *exec.Cmd, ready func() error) (*proc.Process, error) {
	p, err := proc.Start(cmd, ready)
	if err == nil {
		e.defers(p.Stop)
	}
	return p, err
}

// folder makes a new folder for data.
func (e *env) folder(name string) (string, error) { return os.MkdirTemp(e.dir, name+"-") }

// build builds Latchkey once a run: the one that is measured is that of the
// working tree.
func (e *env) build() (string, error) {
	return once(e, "latchkey", func() (string, error) {
		program := filepath.Join(e.bin, "latchkey")
		cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/latchkey")
		cmd.Dir = ".."
		return program, run(cmd)
	})
}

// rivalProgram is a program of another module at a pinned version. Its sums are
// pinned too, as a go.sum has them, because not every mirror of the checksum
// database knows every version.
type rivalProgram struct{ name, module, pkg, version, sum, modSum string }

// install builds a rival, unless it is there from an earlier run.
func (e *env) install(r rivalProgram) (string, error) {
	return once(e, r.name, func() (string, error) {
		program := filepath.Join(e.bin, r.name+"-"+r.version)
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
		e.say("  building %s %s", r.name, r.version)
		in, err := e.folder("install")
		if err != nil {
			return "", err
		}
		mod := fmt.Sprintf("module rival\n\ngo 1.26\n\nrequire %s %s\n", r.module, r.version)
		sum := fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", r.module, r.version, r.sum, r.modSum)
		if err := errors.Join(os.WriteFile(filepath.Join(in, "go.mod"), []byte(mod), 0o644), os.WriteFile(filepath.Join(in, "go.sum"), []byte(sum), 0o644)); err != nil {
			return "", err
		}
		cmd := exec.Command("go", "build", "-mod=mod", "-o", "program", r.module+r.pkg)
		cmd.Dir, cmd.Env = in, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		if err := run(cmd); err != nil {
			return "", err
		}
		return program, os.Rename(filepath.Join(in, "program"), program)
	})
}

// run runs a command to its end; the error has the last that it said.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = bytes.TrimSpace(out)
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, out[max(len(out)-200, 0):])
	}
	return nil
}

// freeAddr returns a host:port of loopback that nobody listens at. Somebody else
// may take it before it is used, in which case the server fails to start.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// answering returns a question whether somebody accepts connections.
func answering(addr string) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// healthy returns a question whether a GET answers 200.
func healthy(url string) func() error {
	return func() error {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
