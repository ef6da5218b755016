package testenv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// supervisor is a shell that owns a temporary folder and is the parent of the server that runs
// in it. It executes the lines that this process sends. At the end of its input it kills the
// server and removes the folder. That happens at the latest when this process exits, because the
// system closes the pipe between them even after SIGKILL. The shell leads its own session, so
// signals from the terminal do not reach it.
type supervisor struct {
	folder   string
	shell    *exec.Cmd
	commands *os.File
	replies  *bufio.Reader
	pipe     *os.File // the source of replies
}

// supervisorScript is the program of the shell. It creates its folder in $1, so that the folder is
// never without a supervisor. $2 is the signal that ends the server at once, and $server is the
// server's process id while it runs.
//
// The script ignores SIGPIPE; otherwise a reply to an exited process would end it before the
// cleanup. It repeats the signal, because a server that just started may ignore the first one,
// and sends SIGCONT after it, because a frozen server gets no other signal. The shell's sleep
// reaps the server, and then kill fails. A killed PostgreSQL server leaves a segment of shared
// memory; its id is in the seventh line of postmaster.pid.
const supervisorScript = `
signal=$2 server=
trap '' PIPE
folder=$(mktemp -d "$1/latchkey-testenv-XXXXXX") && cd "$folder" || exit
echo "$folder"
while IFS= read -r order; do eval "$order"; done
if [ -n "$server" ]; then
	while kill -"$signal" $server; do kill -CONT $server; sleep 0.05; done
fi
if [ -f data/postmaster.pid ]; then
	set -- $(sed -n 7p data/postmaster.pid)
	ipcrm -m "$2"
fi
cd /
rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
`

// newSupervisor starts a supervisor, which creates its folder and works in it. Both belong to the
// account. The supervisor ends its server with the signal.
func newSupervisor(account account, signal string) (*supervisor, error) {
	shellInput, commands, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = shellInput.Close() }()
	replies, shellOutput, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, commands.Close())
	}
	defer func() { _ = shellOutput.Close() }()

	// Standard error is discarded: `go test` waits for all processes that hold its own.
	shell := exec.Command("/bin/sh", "-c", supervisorScript, "supervisor", os.TempDir(), signal)
	shell.Dir = "/" // every account can enter it
	shell.Stdin, shell.Stdout = shellInput, shellOutput
	shell.SysProcAttr = account.session()
	if err := shell.Start(); err != nil {
		return nil, errors.Join(err, commands.Close(), replies.Close())
	}
	_ = shellOutput.Close() // otherwise the end of the shell would go unnoticed
	s := &supervisor{shell: shell, commands: commands, pipe: replies,
		replies: bufio.NewReader(replies)}
	if s.folder, err = s.reply(); err != nil {
		err = fmt.Errorf("create a folder in %s as the account of the servers: %w", os.TempDir(),
			err)
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// do executes a line of shell and returns the line that it prints.
func (s *supervisor) do(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(s.commands, format+"\n", args...); err != nil {
		return "", fmt.Errorf("supervisor: %w", err)
	}
	return s.reply()
}

func (s *supervisor) reply() (string, error) {
	line, err := s.replies.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("supervisor: %w", err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// end returns after the server has exited and the folder is removed.
func (s *supervisor) end() error {
	return errors.Join(s.commands.Close(), s.shell.Wait(), s.pipe.Close())
}

// log returns the last 20 lines that the supervisor's programs have written.
func (s *supervisor) log() string {
	text, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// quote quotes text without newlines as one word of a shell line.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
