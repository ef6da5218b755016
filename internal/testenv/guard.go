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

// guard is a shell that owns a temporary folder and is the parent of the server
// that runs in it. It carries out the lines that it is sent, and it ends the
// server and removes the folder when it can get no more: at the latest when
// this process is gone, for the system closes the pipe between them even after
// SIGKILL. It leads a session of its own, so what a terminal sends to this
// process doesn't reach it.
type guard struct {
	folder  string
	shell   *exec.Cmd
	orders  *os.File
	answers *bufio.Reader
	pipe    *os.File // what answers reads
}

// guardScript is the shell's program. $1 is where it makes the folder, so that
// nobody can end between that and its watch, and $2 the signal that ends the
// server at once; $server is its process id while it runs.
//
// It ignores SIGPIPE, or an answer to a process that has just gone would end it
// before it has cleaned up. The signal is repeated, because a server that has
// just begun may not heed it yet, and followed by SIGCONT, because one that was
// frozen gets no other. The shell's sleep reaps the server, after which kill
// fails. A PostgreSQL server that was killed leaves a segment of shared memory,
// which is named in the seventh line of postmaster.pid.
const guardScript = `
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

// newGuard starts a guard, which makes its folder and works in it. Both belong
// to the account. The guard ends its server by the signal.
func newGuard(account account, signal string) (*guard, error) {
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirOrders.Close()
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, orders.Close())
	}
	defer theirAnswers.Close()

	// Standard error leads nowhere: `go test` waits for all who hold its own.
	shell := exec.Command("/bin/sh", "-c", guardScript, "guard", os.TempDir(), signal)
	shell.Dir = "/" // which every account can enter
	shell.Stdin, shell.Stdout = theirOrders, theirAnswers
	shell.SysProcAttr = account.session()
	if err := shell.Start(); err != nil {
		return nil, errors.Join(err, orders.Close(), answers.Close())
	}
	_ = theirAnswers.Close() // or the shell's end couldn't be noticed
	g := &guard{shell: shell, orders: orders, pipe: answers, answers: bufio.NewReader(answers)}
	if g.folder, err = g.answer(); err != nil {
		err = fmt.Errorf("can't make a folder in %s as the account that servers run as: %w", os.TempDir(), err)
		return nil, errors.Join(err, g.end())
	}
	return g, nil
}

// do has the guard carry out a line of shell and returns the line that this
// prints.
func (g *guard) do(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(g.orders, format+"\n", args...); err != nil {
		return "", fmt.Errorf("guard: %w", err)
	}
	return g.answer()
}

func (g *guard) answer() (string, error) {
	line, err := g.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("guard: %w", err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// end returns when the server has ended and the folder is gone.
func (g *guard) end() error {
	return errors.Join(g.orders.Close(), g.shell.Wait(), g.pipe.Close())
}

// log returns the last lines that the guard's programs have written.
func (g *guard) log() string {
	text, err := os.ReadFile(filepath.Join(g.folder, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// quote makes one word of a shell's line out of any text without a newline.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
