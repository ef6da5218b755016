// Package testenv starts real servers for tests: PostgreSQL and Redis (or Valkey), on loopback, on
// free ports, in temporary folders.
//
// [Postgres] and [Redis] return an empty database on a server that the whole test process shares.
// [StartPostgres] and [StartRedis] start a server that belongs to one test, which can kill and
// freeze it. [NewProxy] returns a proxy that simulates network faults.
//
// No server and no folder outlives the process that created it, however that process ends
// (supervisor.go).
//
// If a server is not installed, the test is skipped with the reason. If the environment variable CI
// is set, the test fails instead, so that nothing is silently untested.
package testenv

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Database returns the URL of a database for a test: on PostgreSQL if LATCHKEY_TEST_DATABASE is
// "postgres", and in a new folder of SQLite if it is unset. On PostgreSQL it is a copy of the
// database of this process that migrate has created the tables of; else it is empty.
func Database(t testing.TB, migrate func(where string) error) string {
	t.Helper()
	switch engine := os.Getenv("LATCHKEY_TEST_DATABASE"); engine {
	case "":
		return "sqlite://" + t.TempDir()
	case "postgres":
		return copyOfPostgres(t, migrate)
	default:
		t.Fatalf("LATCHKEY_TEST_DATABASE is %q; it can be postgres or unset", engine)
		return ""
	}
}

// RedisURL returns the URL of an empty Redis database if LATCHKEY_TEST_REDIS is "1", and "" if it
// is unset: then the test counts in memory.
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

// missing is the error for a program that is not installed. It names the package that has it.
type missing struct{ program, install string }

func (m missing) Error() string {
	return fmt.Sprintf("%s is not installed; install the package %s", m.program, m.install)
}

// must ends the test if err is not nil. It skips the test if a server is not installed, except in
// CI.
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
