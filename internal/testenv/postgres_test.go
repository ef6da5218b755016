package testenv

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// within returns a context with a timeout, for calls that must not succeed.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestEachPostgresDatabaseIsPrivate(t *testing.T) {
	leavesNoGoroutine(t)
	first, second := connect(t, Postgres(t)), connect(t, Postgres(t))
	mustExec(t, first, "CREATE TABLE things (id BIGINT)")
	mustExec(t, second, "CREATE TABLE things (id BIGINT)")
}

func TestPostgresDatabaseIsDroppedThoughInUse(t *testing.T) {
	var dsn string
	var conn *pgx.Conn
	t.Run("its test", func(inner *testing.T) {
		dsn = Postgres(inner)
		conn = connect(t, dsn) // closed after the inner test
	})
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived its database")
	}
	var refused *pgconn.PgError
	if _, err := pgx.Connect(t.Context(), dsn); !errors.As(err, &refused) ||
		refused.Code != "3D000" {
		t.Errorf("connect: %v, want that the database does not exist", err)
	}
}

func TestPostgresRequiresThePassword(t *testing.T) {
	dsn := Postgres(t)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "guessed"
	var refused *pgconn.PgError
	if _, err := pgx.ConnectConfig(t.Context(), config); !errors.As(err, &refused) ||
		refused.Code != "28P01" {
		t.Errorf("connect: %v, want that the password is wrong", err)
	}
}

func TestPostgresAllowsManyConnections(t *testing.T) {
	dsn := Postgres(t)
	for range 150 {
		connect(t, dsn)
	}
}

func TestKilledPostgresKeepsWhatItConfirmed(t *testing.T) {
	leavesNoGoroutine(t)
	s := StartPostgres(t)
	conn := connect(t, s.URL)
	mustExec(t, conn, "CREATE TABLE things (id BIGINT)")
	mustExec(t, conn, "INSERT INTO things VALUES (1)")
	url := s.URL
	s.Kill()
	if _, err := conn.Exec(t.Context(), "INSERT INTO things VALUES (2)"); err == nil {
		t.Error("a killed server confirmed a change")
	}
	s.Start()
	if s.URL != url {
		t.Errorf("the URL became %s, was %s", s.URL, url)
	}
	var id int
	if err := connect(t, url).QueryRow(t.Context(),
		"SELECT id FROM things").Scan(&id); err != nil || id != 1 {
		t.Errorf("read %d, %v", id, err)
	}
}

func TestStartPostgresWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	var fsync, commit string
	conn := connect(t, StartPostgres(t).URL)
	const settings = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
	if err := conn.QueryRow(t.Context(), settings).Scan(&fsync, &commit); err != nil {
		t.Fatal(err)
	}
	if fsync != "on" || commit != "on" {
		t.Errorf("fsync is %s, synchronous_commit is %s", fsync, commit)
	}
}

func TestStoppedPostgresStartsAgain(t *testing.T) {
	t.Parallel()
	s := StartPostgres(t)
	conn := connect(t, s.URL) // Stop does not wait for it
	mustExec(t, conn, "CREATE TABLE things (id BIGINT)")
	s.Stop()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a stopped server responds")
	}
	s.Start()
	mustExec(t, connect(t, s.URL), "INSERT INTO things VALUES (1)")
	if log := s.supervisor.log(); strings.Contains(log, "automatic recovery") {
		t.Errorf("the server did not shut down cleanly:\n%s", log)
	}
}

func TestFrozenPostgresDoesNotRespond(t *testing.T) {
	t.Parallel()
	s := StartPostgres(t)
	old := connect(t, s.URL)
	s.Freeze()
	reply := make(chan error, 1)
	go func() { _, err := old.Exec(t.Context(), "SELECT 1"); reply <- err }()
	if conn, err := pgx.Connect(within(t, 300*time.Millisecond), s.URL); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a frozen server accepted a client")
	}
	select {
	case err := <-reply:
		t.Errorf("a frozen server responded: %v", err)
	default:
	}
	s.Thaw()
	if err := <-reply; err != nil {
		t.Errorf("after Thaw: %v", err)
	}
}

func TestFrozenPostgresCanBeKilled(t *testing.T) {
	t.Parallel()
	s := StartPostgres(t)
	connect(t, s.URL)
	s.Freeze()
	s.Kill()
	s.Start()
	mustExec(t, connect(t, s.URL), "SELECT 1")
}
