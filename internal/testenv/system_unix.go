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

// What a server can be told.
const (
	signalStop   = syscall.SIGINT // PostgreSQL: end without waiting for clients; Redis: end
	signalKill   = syscall.SIGKILL
	signalFreeze = syscall.SIGSTOP
	signalThaw   = syscall.SIGCONT
)

// account is whom a server runs as. The zero value is whoever we are.
type account struct{ credential *syscall.Credential }

// postgresAccount is the account for a PostgreSQL server, which refuses to run
// as root: the user postgres if we are root, else ours.
func postgresAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL doesn't run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(owner.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(owner.Gid, 10, 32)
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, errors.Join(err1, err2)
}

// session has a process run as the account in a session of its own.
func (a account) session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
}

func send(pid int, signal syscall.Signal) error {
	err := syscall.Kill(pid, signal)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has ended in the meantime
	}
	return err
}
