//go:build !unix

package testenv

import "syscall"

// Servers need Unix, because a shell starts them and signals freeze them. On other systems every
// test that needs a server is skipped, and these functions are not called.
const (
	signalStop   = syscall.SIGINT
	signalKill   = syscall.SIGKILL
	signalFreeze = syscall.SIGTERM
	signalThaw   = syscall.SIGTERM
)

var errNoServers = missing{"a Unix system", "none"}

type account struct{}

func postgresAccount() (account, error)         { return account{}, errNoServers }
func (account) session() *syscall.SysProcAttr   { return nil }
func send(pid int, signal syscall.Signal) error { return errNoServers }
