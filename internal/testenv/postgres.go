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

// Postgres returns the DSN of a fresh, empty database. All databases of a test
// process are on one server, which doesn't care whether the disk has what it
// wrote. The database is dropped when the test is over, whoever still uses it.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := sharedPostgres()
	must(t, err)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	must(t, execute(s.URL, "CREATE DATABASE "+name+" TEMPLATE template0"))
	t.Cleanup(func() {
		if err := execute(s.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1)
}

// The server that the tests of this process share lives as long as the process,
// because no test knows that it is the last. It keeps no connection and no
// goroutine in between.
var (
	sharedPostgres = sync.OnceValues(func() (*Server, error) {
		return newPostgres("fsync=off", "full_page_writes=off")
	})
	databases atomic.Int64 // how many have been made on it
)

// StartPostgres starts a server of its own for a test. It is durable: what it
// has confirmed survives Kill. Its URL leads to an empty database.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	s, err := newPostgres()
	return own(t, s, err)
}

// newPostgres makes a cluster and starts its server with some settings, each
// as name=value, besides those that tests need. It is reached by TCP alone, and
// by a password, because whoever gets in may do what its account may.
func newPostgres(settings ...string) (*Server, error) {
	initdb, postgres, err1 := findPostgres()
	account, err2 := postgresAccount()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	guard, err := newGuard(account, "QUIT") // at once, but shared memory is given back
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := guard.initdb(initdb, password); err != nil {
		return nil, errors.Join(err, guard.end())
	}
	// Shared memory is kept in files of the folder, where it can't be left behind.
	settings = append(settings, "max_connections=400", "dynamic_shared_memory_type=mmap")
	s := &Server{guard: guard, ready: func(s *Server) error { return execute(s.URL, "SELECT 1") }}
	s.listen = func(s *Server, port int) {
		s.Addr = loopback(port)
		s.URL = fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", password, s.Addr)
		s.command = fmt.Sprintf("%s -D data -h 127.0.0.1 -p %d -k '' -c %s", quote(postgres), port, strings.Join(settings, " -c "))
	}
	return s.boot()
}

// initdb makes a cluster in the folder data. Passwords are asked for in clear,
// because the exchange of hashes would cost each connection many milliseconds.
func (g *guard) initdb(program, password string) error {
	status, err := g.do("echo %s >password; %s -D data -U postgres --pwfile=password --auth=password --encoding=UTF8 --locale=C --no-sync </dev/null >log 2>&1; echo $?",
		password, quote(program))
	if err == nil && status != "0" {
		err = fmt.Errorf("initdb: status %s:\n%s", status, g.log())
	}
	return err
}

// execute runs one statement on a connection of its own.
func execute(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
