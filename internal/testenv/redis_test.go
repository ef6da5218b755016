package testenv

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// commandsOn sends commands to the database of a URL.
func commandsOn(t *testing.T, address string, commands ...string) (string, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return redisCommands(u.Host, append([]string{"SELECT " + strings.TrimPrefix(u.Path, "/")},
		commands...)...)
}

func expectReply(t *testing.T, address, want string, commands ...string) {
	t.Helper()
	got, err := commandsOn(t, address, commands...)
	if err != nil {
		t.Fatal(err)
	}
	got = strings.TrimPrefix(got, "+OK\r\n") // SELECT
	if got = strings.TrimSpace(got); got != want {
		t.Errorf("%q: reply %q, want %q", commands, got, want)
	}
}

func TestEachRedisKeyspaceIsPrivateAndFlushed(t *testing.T) {
	leavesNoGoroutine(t)
	var first string
	t.Run("its test", func(t *testing.T) {
		first = Redis(t)
		second := Redis(t)
		expectReply(t, first, "+OK", "SET a 1")
		expectReply(t, second, "$-1", "GET a")
	})
	expectReply(t, first, ":0", "DBSIZE")
}

func TestKilledRedisKeepsDataOnlyWithAppendOnly(t *testing.T) {
	leavesNoGoroutine(t)
	durable, forgetful := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always"),
		StartRedis(t)
	for _, s := range []*Server{durable, forgetful} {
		expectReply(t, s.URL, "+OK", "SET a 1")
		s.Kill()
		if _, err := commandsOn(t, s.URL, "PING"); err == nil {
			t.Error("a killed server responds")
		}
		s.Start()
	}
	expectReply(t, durable.URL, "$1\r\n1", "GET a")
	expectReply(t, forgetful.URL, "$-1", "GET a")
}

func TestStoppedRedisStartsAgain(t *testing.T) {
	s := StartRedis(t)
	s.Stop()
	if _, err := commandsOn(t, s.URL, "PING"); err == nil {
		t.Error("a stopped server responds")
	}
	s.Start()
	expectReply(t, s.URL, "+PONG", "PING")
}

func TestFrozenRedisDoesNotRespond(t *testing.T) {
	s := StartRedis(t)
	s.Freeze()
	reply := make(chan error, 1)
	go func() { _, err := redisCommands(s.Addr, "PING"); reply <- err }()
	select {
	case err := <-reply:
		t.Errorf("a frozen server responded: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	s.Thaw()
	if err := <-reply; err != nil {
		t.Errorf("after Thaw: %v", err)
	}
}

func TestFailedStartReportsTheServersLog(t *testing.T) {
	_, err := newRedis("--no-such-setting", "1")
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("error %v, want the server's log", err)
	}
}
