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

// running is a server and where it answers.
type running struct {
	*proc.Process
	addr string // host:port
}

// serverCommand is the subcommand by which this program becomes a server.
const serverCommand = "server"

// dsnVariable is the environment variable that tells a server of PostgreSQL.
const dsnVariable = "BENCH_POSTGRES"

// own starts a server of the package servers as a process of its own: this
// program again, with a subcommand.
func (e *env) own(name string, cfg servers.Config) (running, error) {
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
				return errors.New("it has not said where it listens")
			}
			return answering(addr)()
		})
		return running{p, addr}, err
	})
}

// firstLine has what a command prints first, on standard output, kept. The
// function returned waits for it, and returns "" if there was none. The rest is
// thrown away.
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
