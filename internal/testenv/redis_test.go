package testenv

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// redisAsk sends commands to the database of a URL.
func redisAsk(t *testing.T, address string, commands ...string) (string, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return ask(u.Host, append([]string{"SELECT " + strings.TrimPrefix(u.Path, "/")}, commands...)...)
}

func mustAsk(t *testing.T, address, want string, commands ...string) {
	t.Helper()
	got, err := redisAsk(t, address, commands...)
	if err != nil {
		t.Fatal(err)
	}
	got = strings.TrimSuffix(strings.TrimPrefix(got, "+OK\r\n"), "+OK\r\n") // SELECT and QUIT
	if got = strings.TrimSpace(got); got != want {
		t.Errorf("%q: answer %q, want %q", commands, got, want)
	}
}

func TestEachRedisKeyspaceIsPrivateAndFlushed(t *testing.T) {
	leavesNoGoroutine(t)
	var first string
	t.Run("its test", func(t *testing.T) {
		first = Redis(t)
		second := Redis(t)
		mustAsk(t, first, "+OK", "SET a 1")
		mustAsk(t, second, "$-1", "GET a")
	})
	mustAsk(t, first, ":0", "DBSIZE")
}

func TestKilledRedisKeepsWhatItIsToldTo(t *testing.T) {
	leavesNoGoroutine(t)
	durable, forgetful := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always"), StartRedis(t)
	for _, s := range []*Server{durable, forgetful} {
		mustAsk(t, s.URL, "+OK", "SET a 1")
		s.Kill()
		if _, err := redisAsk(t, s.URL, "PING"); err == nil {
			t.Error("a killed server answers")
		}
		s.Start()
	}
	mustAsk(t, durable.URL, "$1\r\n1", "GET a")
	mustAsk(t, forgetful.URL, "$-1", "GET a")
}

func TestStoppedRedisStartsAgain(t *testing.T) {
	s := StartRedis(t)
	s.Stop()
	if _, err := redisAsk(t, s.URL, "PING"); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start()
	mustAsk(t, s.URL, "+PONG", "PING")
}

func TestFrozenRedisAnswersNothing(t *testing.T) {
	s := StartRedis(t)
	s.Freeze()
	answer := make(chan error, 1)
	go func() { _, err := ask(s.Addr, "PING"); answer <- err }()
	select {
	case err := <-answer:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	s.Thaw()
	if err := <-answer; err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

func TestFailedStartIsExplained(t *testing.T) {
	_, err := newRedis("--no-such-setting", "1")
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("error %v, want what the server wrote", err)
	}
}
