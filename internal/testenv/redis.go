package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Redis returns the URL of a database without keys, on a server that the tests
// of the process share. Only keys are private: scripts, functions and the
// channels of publish and subscribe belong to the whole server. The keys are
// removed when the test is over.
func Redis(t testing.TB) string {
	t.Helper()
	s, err := sharedRedis()
	must(t, err)
	number := keyspaces.Add(1) % redisDatabases
	t.Cleanup(func() {
		if _, err := ask(s.Addr, fmt.Sprintf("SELECT %d", number), "FLUSHDB"); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimSuffix(s.URL, "0") + fmt.Sprint(number)
}

// redisDatabases is how many tests can use the shared server at a time.
const redisDatabases = 4096

// The server that the tests of this process share lives as long as the process.
var (
	sharedRedis = sync.OnceValues(func() (*Server, error) {
		return newRedis("--databases", fmt.Sprint(redisDatabases))
	})
	keyspaces atomic.Int64 // how many have been handed out
)

// StartRedis starts a server of its own for a test, with arguments such as
// "--appendonly", "yes". Without them it keeps nothing on disk.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := newRedis(args...)
	return own(t, s, err)
}

func newRedis(args ...string) (*Server, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	guard, err := newGuard(account{}, "KILL")
	if err != nil {
		return nil, err
	}
	s := &Server{guard: guard, ready: redisReady}
	s.listen = func(s *Server, port int) {
		s.Addr = loopback(port)
		s.URL = "redis://" + s.Addr + "/0"
		s.command = fmt.Sprintf("%s --bind 127.0.0.1 --port %d --save ''", quote(program), port)
		for _, arg := range args {
			s.command += " " + quote(arg)
		}
	}
	return s.boot()
}

// redisReady makes sure that it is this server that answers, since another one
// may have taken the port.
func redisReady(s *Server) error {
	info, err := ask(s.Addr, "INFO server")
	if err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.pid)) {
		err = errors.New("another server has the port")
	}
	return err
}

// ask sends commands on a connection of its own and returns all the answers, as
// they come over the wire. One that is an error fails.
func ask(addr string, commands ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, strings.Join(append(commands, "QUIT"), "\r\n")+"\r\n"); err != nil {
		return "", err
	}
	answers, err := io.ReadAll(bufio.NewReader(conn))
	for line := range strings.Lines(string(answers)) {
		if strings.HasPrefix(line, "-") {
			err = errors.Join(err, errors.New("redis: "+strings.TrimSpace(line)))
		}
	}
	return string(answers), err
}
