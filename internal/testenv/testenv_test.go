package testenv

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// leavesNoGoroutine fails the test if a goroutine is left after all cleanups. Call it first.
func leavesNoGoroutine(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func TestEnvironmentChoosesTheDatabase(t *testing.T) {
	t.Setenv("LATCHKEY_TEST_DATABASE", "")
	var migrated []string
	migrate := func(dsn string) error {
		migrated = append(migrated, dsn)
		return execute(dsn, "CREATE TABLE numbers (n BIGINT)")
	}
	sqlite := strings.TrimPrefix(Database(t, migrate), "sqlite://")
	if folder, err := os.ReadDir(sqlite); err != nil ||
		len(folder) > 0 {
		t.Errorf("unset: %v, %v, want an empty folder", folder, err)
	}
	t.Setenv("LATCHKEY_TEST_DATABASE", "postgres")
	for range 2 {
		dsn := Database(t, migrate)
		if !strings.HasPrefix(dsn, "postgres://") {
			t.Errorf("postgres: %q", dsn)
		}
		if err := execute(dsn, "INSERT INTO numbers VALUES (1)"); err != nil {
			t.Error(err)
		}
	}
	if len(migrated) > 1 {
		t.Errorf("tables were created in each of %q", migrated)
	}
	t.Setenv("LATCHKEY_TEST_DATABASE", "oracle")
	if got := endOf(t, func(t testing.TB) { Database(t, migrate) }); got != "fatal" {
		t.Errorf("oracle: %q, want that the test fails", got)
	}
}

func TestEnvironmentChoosesRedis(t *testing.T) {
	t.Setenv("LATCHKEY_TEST_REDIS", "")
	if url := RedisURL(t); url != "" {
		t.Errorf("unset: %q", url)
	}
	t.Setenv("LATCHKEY_TEST_REDIS", "1")
	if url := RedisURL(t); !strings.HasPrefix(url, "redis://127.0.0.1:") {
		t.Errorf("1: %q", url)
	}
	t.Setenv("LATCHKEY_TEST_REDIS", "yes")
	if got := endOf(t, func(t testing.TB) { RedisURL(t) }); got != "fatal" {
		t.Errorf("yes: %q, want that the test fails", got)
	}
}

func TestMissingServerSkipsAndFailsInCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	start := func(t testing.TB) { StartRedis(t) }
	t.Setenv("CI", "")
	if got := endOf(t, start); got != "skip" {
		t.Errorf("outside CI: %q, want skip", got)
	}
	t.Setenv("CI", "true")
	if got := endOf(t, start); got != "fatal" {
		t.Errorf("in CI: %q, want fatal", got)
	}
}

func TestOtherErrorsNeverSkip(t *testing.T) {
	t.Setenv("CI", "")
	if got := endOf(t, func(t testing.TB) { must(t, errors.New("broken")) }); got != "fatal" {
		t.Errorf("%q, want fatal", got)
	}
}

// endOf runs a test body and returns how it ended.
func endOf(t *testing.T, body func(testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		body(r)
	}()
	<-done
	return r.end
}

// recorder is a test that records how it ends.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Skip(...any)           { r.end = "skip"; panic(r.end) }
func (r *recorder) Fatal(...any)          { r.end = "fatal"; panic(r.end) }
func (r *recorder) Fatalf(string, ...any) { r.end = "fatal"; panic(r.end) }
