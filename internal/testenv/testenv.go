// Package testenv starts the real servers that tests run against: PostgreSQL
// and Redis (or Valkey), privately, on loopback, on free ports, in temporary
// folders.
//
// [Postgres] and [Redis] hand out an empty database of a server that the whole
// test process shares. [StartPostgres] and [StartRedis] start a server that
// belongs to one test, which may kill and freeze it. [NewProxy] stands between
// a client and a server and does to the connections what networks do.
//
// No server and no folder outlives the process that asked for it, whatever way
// that process ends: see guard.
//
// Where a server isn't installed the test is skipped with the reason. Where the
// environment variable CI is set it fails instead, so that nothing is left
// untested in silence.
package testenv

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Database returns what a test opens its store with: the DSN of an empty
// PostgreSQL database if LATCHKEY_TEST_DATABASE is "postgres", and an empty
// folder for SQLite if it is unset.
func Database(t testing.TB) string {
	t.Helper()
	switch engine := os.Getenv("LATCHKEY_TEST_DATABASE"); engine {
	case "":
		return t.TempDir()
	case "postgres":
		return Postgres(t)
	default:
		t.Fatalf("LATCHKEY_TEST_DATABASE is %q; it can be postgres or unset", engine)
		return ""
	}
}

// RedisURL returns the URL of an empty Redis database if LATCHKEY_TEST_REDIS is
// "1", and "" if it is unset: then the test is to count in memory.
func RedisURL(t testing.TB) string {
	t.Helper()
	switch wanted := os.Getenv("LATCHKEY_TEST_REDIS"); wanted {
	case "":
		return ""
	case "1":
		return Redis(t)
	default:
		t.Fatalf("LATCHKEY_TEST_REDIS is %q; it can be 1 or unset", wanted)
		return ""
	}
}

// missing says that a program isn't installed and which package has it.
type missing struct{ program, install string }

func (m missing) Error() string {
	return fmt.Sprintf("%s is not installed: the package %s has it", m.program, m.install)
}

// must ends the test if err isn't nil: by skipping it if all that is wrong is
// that this machine lacks a server, unless this is CI.
func must(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if errors.As(err, new(missing)) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Fatal(err)
}
