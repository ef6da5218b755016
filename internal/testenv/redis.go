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

// Redis returns the URL of an empty database on a server that the tests of the process share. Only
// the keys are private: scripts, functions and pub/sub channels belong to the whole server. The
// keys are deleted at the end of the test.
func Redis(t testing.TB) string {
	t.Helper()
	s, err := sharedRedis()
	must(t, err)
	number := redisDatabasesUsed.Add(1) % redisDatabases
	t.Cleanup(func() {
		if _, err := redisCommands(s.Addr, fmt.Sprintf("SELECT %d", number),
			"FLUSHDB"); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimSuffix(s.URL, "0") + fmt.Sprint(number)
}

// redisDatabases is the maximum number of concurrent users of the shared server.
const redisDatabases = 4096

// The server shared by the tests of this process runs as long as the process.
var (
	sharedRedis = sync.OnceValues(func() (*Server, error) {
		return newRedis("--databases", fmt.Sprint(redisDatabases))
	})
	redisDatabasesUsed atomic.Int64 // number of databases handed out
)

// StartRedis starts a server for one test, with arguments such as "--appendonly", "yes". Without
// them it stores nothing on disk.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := newRedis(args...)
	return attach(t, s, err)
}

func newRedis(args ...string) (*Server, error) {
	return newRedisProgram(func(program string, port int) string {
		command := fmt.Sprintf("%s --bind 127.0.0.1 --port %d --save ''", quote(program), port)
		for _, arg := range args {
			command += " " + quote(arg)
		}
		return command
	})
}

// newRedisProgram starts Redis, or a sentinel, with the shell command for a port.
func newRedisProgram(command func(program string, port int) string) (*Server, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	supervisor, err := newSupervisor(account{}, "KILL")
	if err != nil {
		return nil, err
	}
	s := &Server{supervisor: supervisor, ready: redisReady}
	s.listen = func(s *Server, port int) {
		s.Addr = loopback(port)
		s.URL = "redis://" + s.Addr + "/0"
		s.command = command(program, port)
	}
	return s.startOnFreePort()
}

// redisReady checks that this server responds, because another one may have taken the port.
func redisReady(s *Server) error {
	info, err := redisCommands(s.Addr, "INFO server")
	if err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.pid)) {
		err = errors.New("another server has the port")
	}
	return err
}

// redisCommands sends commands on a new connection and returns the raw replies. It returns an error
// if a reply is an error.
func redisCommands(addr string, commands ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, strings.Join(commands, "\r\n")+"\r\n"); err != nil {
		return "", err
	}
	// After the replies the server sees the end too. QUIT is unknown to sentinels.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	replies, err := io.ReadAll(bufio.NewReader(conn))
	for line := range strings.Lines(string(replies)) {
		if strings.HasPrefix(line, "-") {
			err = errors.Join(err, errors.New("redis: "+strings.TrimSpace(line)))
		}
	}
	return string(replies), err
}
