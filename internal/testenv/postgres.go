package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the DSN of a new, empty database. All databases of a test process share one
// server, which does not sync its writes to disk. The database is dropped at the end of the
// test, even if it is in use.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgresLike(t, "template0")
}

// copyOfPostgres is Postgres, but the database is a copy of one that migrate is called with the
// DSN of once. To copy the tables takes a third of the time of creating them.
func copyOfPostgres(t testing.TB, migrate func(dsn string) error) string {
	t.Helper()
	migratedPostgres.Do(func() { migratedPostgres.err = createMigrated(migrate) })
	must(t, migratedPostgres.err)
	return postgresLike(t, migratedName)
}

const migratedName = "migrated"

var migratedPostgres struct {
	sync.Once
	err error
}

func createMigrated(migrate func(dsn string) error) error {
	s, err := sharedPostgres()
	if err != nil {
		return err
	}
	if err := execute(s.URL, "CREATE DATABASE "+migratedName+" TEMPLATE template0"); err != nil {
		return err
	}
	return migrate(s.database(migratedName))
}

func postgresLike(t testing.TB, template string) string {
	t.Helper()
	s, err := sharedPostgres()
	must(t, err)
	name := fmt.Sprintf("test_%d", postgresDatabases.Add(1))
	must(t, execute(s.URL, "CREATE DATABASE "+name+" TEMPLATE "+template))
	t.Cleanup(func() {
		if err := execute(s.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.database(name)
}

// database returns the DSN of another database of the server.
func (s *Server) database(name string) string {
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1)
}

// The server shared by the tests of this process runs as long as the process, because no test
// knows that it is the last. Between tests it has no connection and no goroutine.
var (
	sharedPostgres = sync.OnceValues(func() (*Server, error) {
		return newPostgres("fsync=off", "full_page_writes=off")
	})
	postgresDatabases atomic.Int64 // number of databases created on it
)

// StartPostgres starts a server for one test. It is durable: confirmed changes survive Kill. Its
// URL names an empty database.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	s, err := newPostgres()
	return attach(t, s, err)
}

// Standby starts a standby of a PostgreSQL server, which replicates asynchronously from an address:
// that of the server, or of a proxy in front of it. Promote makes it a primary.
func (s *Server) Standby(from string) *Server {
	s.t.Helper()
	standby, err := s.newStandby(from)
	return attach(s.t, standby, err)
}

// Promote makes a standby a primary, which accepts changes when it returns.
func (s *Server) Promote() {
	s.t.Helper()
	must(s.t, waitFor("the promotion", func() (bool, error) {
		if execute(s.URL, "SELECT 1 / CASE WHEN pg_is_in_recovery() THEN 0 ELSE 1 END") == nil {
			return true, nil
		}
		_ = execute(s.URL, "SELECT pg_promote(false)") // fails while it conflicts with recovery
		return false, nil
	}))
}

// Execute runs SQL statements on a PostgreSQL server, each on a new connection.
func (s *Server) Execute(statements ...string) {
	s.t.Helper()
	for _, statement := range statements {
		must(s.t, execute(s.URL, statement))
	}
}

// Try is Execute for one statement that can fail.
func (s *Server) Try(statement string) error { return execute(s.URL, statement) }

func (s *Server) newStandby(from string) (*Server, error) {
	backup, err1 := findPostgresTool("pg_basebackup")
	account, err2 := postgresAccount()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	supervisor, err := newSupervisor(account, "QUIT")
	if err != nil {
		return nil, err
	}
	status, err := supervisor.do("%s -D data -R -c fast -d %s </dev/null >log 2>&1; echo $?",
		quote(backup), quote(strings.Replace(s.URL, s.Addr, from, 1)))
	if err == nil && status != "0" {
		err = fmt.Errorf("pg_basebackup: status %s:\n%s", status, supervisor.log())
	}
	if err != nil {
		return nil, errors.Join(err, supervisor.end())
	}
	standby := &Server{supervisor: supervisor, ready: s.ready, listen: s.listen}
	return standby.startOnFreePort()
}

// newPostgres creates a cluster and starts its server with settings of the form name=value. The
// server listens only on TCP and requires a password, because a client can do everything that
// the server's account can.
func newPostgres(settings ...string) (*Server, error) {
	initdb, postgres, err1 := findPostgres()
	account, err2 := postgresAccount()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	supervisor, err := newSupervisor(account, "QUIT") // immediate, but releases shared memory
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := supervisor.initdb(initdb, password); err != nil {
		return nil, errors.Join(err, supervisor.end())
	}
	// Shared memory is in files of the folder, which the supervisor removes.
	settings = append(settings, "max_connections=400", "dynamic_shared_memory_type=mmap")
	s := &Server{supervisor: supervisor, ready: func(s *Server) error {
		return execute(s.URL, "SELECT 1")
	}}
	s.listen = func(s *Server, port int) {
		s.Addr = loopback(port)
		s.URL = fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", password, s.Addr)
		s.command = fmt.Sprintf("%s -D data -h 127.0.0.1 -p %d -k '' -c %s", quote(postgres), port,
			strings.Join(settings, " -c "))
	}
	return s.startOnFreePort()
}

// initdb creates a cluster in the folder data. It uses clear-text passwords, because SCRAM would
// cost each connection many milliseconds.
func (s *supervisor) initdb(program, password string) error {
	status, err := s.do("echo %s >password; "+
		"%s -D data -U postgres --pwfile=password --auth=password"+
		" --encoding=UTF8 --locale=C --no-sync </dev/null >log 2>&1; echo $?",
		password, quote(program))
	if err == nil && status != "0" {
		err = fmt.Errorf("initdb: status %s:\n%s", status, s.log())
	}
	return err
}

// execute runs one statement on a new connection.
func execute(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
