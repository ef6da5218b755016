package testenv

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// Sentinels are a Redis primary with a replica, and three sentinels over them, that belong to one
// test.
type Sentinels struct {
	URL     string // with the addresses of the sentinels
	Primary *Server
	Replica *Server // promoted some seconds after the primary is gone
}

// StartSentinels starts servers and sentinels.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	s := &Sentinels{Primary: StartRedis(t)}
	host, port, _ := net.SplitHostPort(s.Primary.Addr)
	s.Replica = StartRedis(t, "--replicaof", host, port)
	must(t, awaitReply(s.Replica, "INFO replication", "master_link_status:up"))
	var addrs []string
	for range 3 {
		sentinel, err := newSentinel()
		sentinel = attach(t, sentinel, err)
		for _, command := range []string{
			"SENTINEL MONITOR primary " + host + " " + port + " 2",
			"SENTINEL SET primary down-after-milliseconds 1000",
			"SENTINEL SET primary failover-timeout 3000",
		} {
			_, err := redisCommands(sentinel.Addr, command)
			must(t, err)
		}
		addrs = append(addrs, sentinel.Addr)
		defer func() {
			must(t, awaitReply(sentinel, "INFO sentinel", "slaves=1,sentinels=3"))
		}()
	}
	s.URL = "redis://" + strings.Join(addrs, ",") + "/0?master_set=primary"
	return s
}

// newSentinel starts a sentinel that monitors nothing. It needs a file to write its state to.
func newSentinel() (*Server, error) {
	return newRedisProgram(func(program string, port int) string {
		return fmt.Sprintf("sh -c 'touch sentinel.conf; exec %s sentinel.conf --sentinel "+
			"--bind 127.0.0.1 --port %d'", program, port)
	})
}

// awaitReply waits until the reply to a command has a text.
func awaitReply(s *Server, command, text string) error {
	return waitFor(text, func() (bool, error) {
		reply, _ := redisCommands(s.Addr, command)
		return strings.Contains(reply, text), nil
	})
}
