// Package proc runs the measured servers as separate processes, so that their CPU time can be
// separated
// from that of the load generator. It reads /proc, so it needs Linux.
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

// timeout bounds the start and the stop of a server.
const timeout = 60 * time.Second

// Process is a running server.
type Process struct {
	cmd    *exec.Cmd
	stderr *os.File // standard error of the process
	exited chan error
}

// Start starts the command and waits until ready returns nil. The process is killed when this
// process
// exits. If it does not become ready, the error contains the end of its standard error.
func Start(cmd *exec.Cmd, ready func() error) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan error, 1)}
	var err error
	if p.stderr, err = os.CreateTemp("", "bench-*.log"); err != nil {
		return nil, err
	}
	_ = os.Remove(p.stderr.Name()) // the file exists until it is closed
	cmd.Stderr = p.stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, p.stderr.Close())
	}
	go func() { p.exited <- cmd.Wait() }()
	if err := p.await(ready); err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, p.stderrTail())
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// await polls ready every 2 ms.
func (p *Process) await(ready func() error) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(2 * time.Millisecond) {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case exited := <-p.exited:
			p.exited <- exited // for Stop
			return fmt.Errorf("it exited: %v", exited)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is not ready after %v: %w", timeout, err)
		}
	}
}

// stderrTail returns the end of the process's standard error.
func (p *Process) stderrTail() string {
	size, err := p.stderr.Seek(0, 2)
	if err != nil {
		return ""
	}
	text := make([]byte, min(size, 500))
	_, _ = p.stderr.ReadAt(text, size-int64(len(text)))
	return strings.TrimSpace(string(text))
}

// Stop sends SIGTERM and waits until the process has exited. After a timeout it kills the process.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have exited
	defer p.stderr.Close()
	select {
	case <-p.exited:
		return nil
	case <-time.After(timeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s had to be killed", filepath.Base(p.cmd.Path))
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }
