//go:build !unix

package testenv

import "syscall"

// Servers are started by a shell and frozen by signals, so they need a Unix:
// elsewhere each test that wants one is skipped, and none of this is reached.
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
