// Package proc runs the servers that are measured as processes of their own, so
// that what they cost can be told from what the load generator costs. It reads
// /proc and therefore needs Linux.
package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to become ready, and to stop.
const patience = 60 * time.Second

// Process is a running server.
type Process struct {
	cmd    *exec.Cmd
	errors *os.File // what it said on standard error
	ended  chan error
}

// Start runs the command and waits until ready returns nil. The process ends
// with this one at the latest. If it doesn't become ready, the error has the last it
// said on standard error.
func Start(cmd *exec.Cmd, ready func() error) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan error, 1)}
	var err error
	if p.errors, err = os.CreateTemp("", "bench-*.log"); err != nil {
		return nil, err
	}
	_ = os.Remove(p.errors.Name()) // it lives as long as it is open
	cmd.Stderr = p.errors
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, p.errors.Close())
	}
	go func() { p.ended <- cmd.Wait() }()
	if err := p.await(ready); err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, p.lastWords())
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// await asks ready every few milliseconds.
func (p *Process) await(ready func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.ended:
			p.ended <- ended // Stop wants to know as well
			return fmt.Errorf("it ended: %v", ended)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is not ready after %v: %w", patience, err)
		}
	}
}

// lastWords returns the end of what the process said on standard error.
func (p *Process) lastWords() string {
	size, err := p.errors.Seek(0, 2)
	if err != nil {
		return ""
	}
	text := make([]byte, min(size, 500))
	_, _ = p.errors.ReadAt(text, size-int64(len(text)))
	return strings.TrimSpace(string(text))
}

// Stop asks the process to end (SIGTERM) and waits until it has; one that takes
// too long is killed.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	defer p.errors.Close()
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s had to be killed", filepath.Base(p.cmd.Path))
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }
