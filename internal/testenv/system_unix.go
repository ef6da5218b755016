//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// The signals sent to servers.
const (
	signalStop   = syscall.SIGINT // PostgreSQL: exit without waiting for clients; Redis: exit
	signalKill   = syscall.SIGKILL
	signalFreeze = syscall.SIGSTOP
	signalThaw   = syscall.SIGCONT
)

// account is the account of a server. The zero value is the account of this process.
type account struct{ credential *syscall.Credential }

// postgresAccount returns the account of a PostgreSQL server, which does not run as root: the user
// postgres if this process runs as root, and the account of this process otherwise.
func postgresAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(owner.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(owner.Gid, 10, 32)
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, errors.Join(err1, err2)
}

// session returns attributes that run a process as the account in its own session.
func (a account) session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
}

func send(pid int, signal syscall.Signal) error {
	err := syscall.Kill(pid, signal)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has exited
	}
	return err
}
