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

// env is the shared environment of a run: its folders, its servers and its settings.
type env struct {
	dir        string // for data
	bin        string // for programs, kept between runs
	rounds     int
	sampleTime time.Duration
	quick      bool
	cache      map[string]any

	mu      sync.Mutex // an interrupt closes too
	cleanup []func() error
}

// newEnv returns an env with folders. Data folders are beside the programs, so that commits wait
// for
// a disk even if the temporary folder is in memory.
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
	e := &env{dir: dir, bin: bin, rounds: 11, sampleTime: 600 * time.Millisecond,
		cache: make(map[string]any)}
	e.onClose(func() error { return os.RemoveAll(dir) })
	return e, os.Chmod(dir, 0o755) // PostgreSQL runs as another user
}

// logf prints progress to the terminal.
func (e *env) logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// onClose registers a function for the end of the run. The last one runs first.
func (e *env) onClose(f func() error) {
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

// outcome is a cached value or error.
type outcome[T any] struct {
	thing T
	err   error
}

// once calls make the first time and caches its value or error for the rest of the run.
func once[T any](e *env, name string, make func() (T, error)) (T, error) {
	if o, ok := e.cache[name].(outcome[T]); ok {
		return o.thing, o.err
	}
	thing, err := make()
	e.cache[name] = outcome[T]{thing, err}
	return thing, err
}

// start starts a server that runs until the end of the run.
func (e *env) start(cmd *exec.Cmd, ready func() error) (*proc.Process, error) {
	p, err := proc.Start(cmd, ready)
	if err == nil {
		e.onClose(p.Stop)
	}
	return p, err
}

// folder creates a data folder.
func (e *env) folder(name string) (string, error) { return os.MkdirTemp(e.dir, name+"-") }

// build builds Latchkey from the working tree, once per run.
func (e *env) build() (string, error) {
	return once(e, "latchkey", func() (string, error) {
		program := filepath.Join(e.bin, "latchkey")
		cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/latchkey")
		cmd.Dir = ".."
		return program, run(cmd)
	})
}

// rivalProgram is a program of another module at a pinned version. Its checksums are pinned too, as
// in
// a go.sum, because not every mirror of the checksum database has every version.
type rivalProgram struct{ name, module, pkg, version, sum, modSum string }

// install builds a rival, unless an earlier run has built it.
func (e *env) install(r rivalProgram) (string, error) {
	return once(e, r.name, func() (string, error) {
		program := filepath.Join(e.bin, r.name+"-"+r.version)
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
		e.logf("  building %s %s", r.name, r.version)
		in, err := e.folder("install")
		if err != nil {
			return "", err
		}
		mod := fmt.Sprintf("module rival\n\ngo 1.26\n\nrequire %s %s\n", r.module, r.version)
		sum := fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", r.module, r.version, r.sum,
			r.modSum)
		if err := errors.Join(os.WriteFile(filepath.Join(in, "go.mod"), []byte(mod), 0o644),
			os.WriteFile(filepath.Join(in, "go.sum"), []byte(sum), 0o644)); err != nil {
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

// run runs a command. Its error contains the end of the output.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = bytes.TrimSpace(out)
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, out[max(len(out)-200, 0):])
	}
	return nil
}

// freeAddr returns a host:port on loopback on which nobody listens. If another process takes it,
// the
// server fails to start.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// acceptsConnections returns a check that addr accepts connections.
func acceptsConnections(addr string) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// returns200 returns a check that a GET of url returns 200.
func returns200(url string) func() error {
	return func() error {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s returned %s", url, response.Status)
		}
		return nil
	}
}
