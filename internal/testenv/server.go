package testenv

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
)

// Server is a server that belongs to one test. It runs when the test gets it
// and is gone when the test is over. A test calls its methods one at a time;
// what they can't do ends the test.
type Server struct {
	URL  string // what clients are configured with
	Addr string // host:port, the same in URL, for a proxy to stand before

	t       testing.TB
	guard   *guard
	command string                    // how the shell starts it
	listen  func(s *Server, port int) // sets URL, Addr and command
	ready   func(s *Server) error     // nil as soon as it serves requests
	pid     int                       // 0 while it doesn't run
}

// own gives a server to a test.
func own(t testing.TB, s *Server, err error) *Server {
	t.Helper()
	must(t, err)
	s.t = t
	t.Cleanup(func() {
		var err error
		if s.pid != 0 {
			err = s.signal(signalThaw) // a frozen server ends late
		}
		if err := errors.Join(err, s.guard.end()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start starts the server again after Stop or Kill, on the same port and with
// the data that were on disk, and returns when it serves requests.
func (s *Server) Start() {
	s.t.Helper()
	must(s.t, s.start())
}

// Stop asks the server to end in good order, without waiting for its clients,
// and returns when it has.
func (s *Server) Stop() {
	s.t.Helper()
	must(s.t, s.running())
	must(s.t, errors.Join(send(s.pid, signalStop), s.reap([]process{{pid: s.pid}})))
}

// Kill ends the server and all of its processes by SIGKILL, frozen or not, and
// returns when they are gone.
func (s *Server) Kill() {
	s.t.Helper()
	must(s.t, s.running())
	members, err := freeze(s.pid) // so that none has another child meanwhile
	must(s.t, errors.Join(err, s.signal(signalKill), s.reap(members)))
}

// Freeze stops the server and all of its processes by SIGSTOP. Its connections
// stay open and new ones are made, by the system, but nothing is answered any
// more.
func (s *Server) Freeze() {
	s.t.Helper()
	must(s.t, s.running())
	_, err := freeze(s.pid)
	must(s.t, err)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	must(s.t, s.running())
	must(s.t, s.signal(signalThaw))
}

// signal sends a signal to all processes of the server, which is running.
func (s *Server) signal(signal syscall.Signal) error {
	all, err := processes()
	for _, p := range family(all, s.pid) {
		err = errors.Join(err, send(p.pid, signal))
	}
	return err
}

func (s *Server) running() error {
	if s.pid == 0 {
		return errors.New("the server isn't running")
	}
	return nil
}

// boot starts the server for the first time, on another port if it ends at once,
// since the port may have been taken after it was found free. On failure
// nothing is left.
func (s *Server) boot() (*Server, error) {
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
	return nil, errors.Join(err, s.guard.end())
}

func (s *Server) start() error {
	if s.pid != 0 {
		return errors.New("the server is running already")
	}
	answer, err := s.guard.do("exec %s </dev/null >>log 2>&1 & server=$!; echo $server", s.command)
	if err != nil {
		return err
	}
	if s.pid, err = strconv.Atoi(answer); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return until("the server to start", func() (bool, error) {
		if s.ready(s) == nil {
			return true, nil
		}
		return false, s.stillborn()
	})
}

// stillborn returns an error with the end of the log if the server has ended by
// itself.
func (s *Server) stillborn() error {
	all, err := processes()
	if err != nil {
		return err
	}
	if f := family(all, s.pid); len(f) > 0 && !f[0].ended() {
		return nil
	}
	return errors.Join(fmt.Errorf("the server didn't start:\n%s", s.guard.log()), s.reap(nil))
}

// reap takes note that the server has ended, once all of its processes have.
// The shell waits for nothing before, or it couldn't hear that we are gone.
func (s *Server) reap(members []process) error {
	if err := awaitEnd(members); err != nil {
		return err
	}
	_, err := s.guard.do("wait $server; server=; echo")
	s.pid = 0
	return err
}
