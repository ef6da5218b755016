package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// running is a server and its address.
type running struct {
	*proc.Process
	addr string // host:port
}

// serverCommand is the subcommand that runs a server of the package servers.
const serverCommand = "server"

// dsnVariable is the environment variable with the DSN of PostgreSQL.
const dsnVariable = "BENCH_POSTGRES"

// startOwn starts a server of the package servers as a separate process: this program with a
// subcommand.
func (e *env) startOwn(name string, cfg servers.Config) (running, error) {
	return once(e, "server "+name, func() (running, error) {
		program, err := os.Executable()
		if err != nil {
			return running{}, err
		}
		cmd := exec.Command(program, serverCommand, name, cfg.Redis)
		cmd.Env = append(os.Environ(), dsnVariable+"="+cfg.Postgres)
		line, err := firstLine(cmd)
		if err != nil {
			return running{}, err
		}
		var addr string
		p, err := e.start(cmd, func() error {
			if addr == "" {
				addr = strings.TrimSpace(line())
			}
			if addr == "" {
				return errors.New("it has not printed its address")
			}
			return acceptsConnections(addr)()
		})
		return running{p, addr}, err
	})
}

// firstLine returns a function that waits for the command's first line on standard output and
// returns
// it, or "" if there is none. The rest of the output is discarded.
func firstLine(cmd *exec.Cmd) (func() string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return func() string {
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n')
		go func() { _, _ = io.Copy(io.Discard, r) }()
		return line
	}, nil
}
