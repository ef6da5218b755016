package testenv

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
)

// Server is a server that belongs to one test. It is running at first, and it is removed at the
// end of the test. Its methods are not safe for concurrent use. A method that fails ends the
// test.
type Server struct {
	URL  string // for the configuration of clients
	Addr string // the host:port of URL, as the target of a proxy

	t          testing.TB
	supervisor *supervisor
	command    string                    // shell command that starts it
	listen     func(s *Server, port int) // sets URL, Addr and command
	ready      func(s *Server) error     // nil once it serves requests
	pid        int                       // 0 while it is not running
}

// attach ties a server to a test.
func attach(t testing.TB, s *Server, err error) *Server {
	t.Helper()
	must(t, err)
	s.t = t
	t.Cleanup(func() {
		var err error
		if s.pid != 0 {
			err = s.signal(signalThaw) // a frozen server would exit late
		}
		if err := errors.Join(err, s.supervisor.end()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start restarts the server after Stop or Kill, on the same port and with the data on disk. It
// returns when the server serves requests.
func (s *Server) Start() {
	s.t.Helper()
	must(s.t, s.start())
}

// Stop shuts the server down cleanly, without waiting for its clients, and returns when it has
// exited.
func (s *Server) Stop() {
	s.t.Helper()
	must(s.t, s.running())
	must(s.t, errors.Join(send(s.pid, signalStop), s.reap([]process{{pid: s.pid}})))
}

// Kill kills the server and all of its processes with SIGKILL, frozen or not, and returns when
// they have exited.
func (s *Server) Kill() {
	s.t.Helper()
	must(s.t, s.running())
	members, err := freeze(s.pid) // so that none starts another child meanwhile
	must(s.t, errors.Join(err, s.signal(signalKill), s.reap(members)))
}

// Freeze stops the server and all of its processes with SIGSTOP. Connections stay open and the
// kernel accepts new ones, but the server does not respond.
func (s *Server) Freeze() {
	s.t.Helper()
	must(s.t, s.running())
	_, err := freeze(s.pid)
	must(s.t, err)
}

// Thaw continues a frozen server.
func (s *Server) Thaw() {
	s.t.Helper()
	must(s.t, s.running())
	must(s.t, s.signal(signalThaw))
}

// signal sends a signal to all processes of the running server.
func (s *Server) signal(signal syscall.Signal) error {
	all, err := processes()
	for _, p := range processTree(all, s.pid) {
		err = errors.Join(err, send(p.pid, signal))
	}
	return err
}

func (s *Server) running() error {
	if s.pid == 0 {
		return errors.New("the server is not running")
	}
	return nil
}

// startOnFreePort starts the server for the first time. It retries on another port if the server
// exits at once, because another process may have taken the port. On failure it cleans up.
func (s *Server) startOnFreePort() (*Server, error) {
	var err error
	for range 3 {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		s.listen(s, port)
		if err = s.start(); err == nil {
			return s, nil
		}
		if s.pid != 0 {
			break
		}
	}
	return nil, errors.Join(err, s.supervisor.end())
}

func (s *Server) start() error {
	if s.pid != 0 {
		return errors.New("the server is already running")
	}
	reply, err := s.supervisor.do("exec %s </dev/null >>log 2>&1 & server=$!; echo $server",
		s.command)
	if err != nil {
		return err
	}
	if s.pid, err = strconv.Atoi(reply); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	return waitFor("the server to start", func() (bool, error) {
		if s.ready(s) == nil {
			return true, nil
		}
		return false, s.exitedEarly()
	})
}

// exitedEarly returns an error with the end of the log if the server has exited.
func (s *Server) exitedEarly() error {
	all, err := processes()
	if err != nil {
		return err
	}
	if f := processTree(all, s.pid); len(f) > 0 && !f[0].ended() {
		return nil
	}
	return errors.Join(fmt.Errorf("the server did not start:\n%s", s.supervisor.log()), s.reap(nil))
}

// reap waits for the exit of all of the server's processes and records it. The shell must not wait
// earlier, because it could not notice the end of this process then.
func (s *Server) reap(members []process) error {
	if err := awaitEnd(members); err != nil {
		return err
	}
	_, err := s.supervisor.do("wait $server; server=; echo")
	s.pid = 0
	return err
}
