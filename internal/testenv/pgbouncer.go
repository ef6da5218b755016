package testenv

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// StartPgBouncer starts a PgBouncer for one test, in front of the PostgreSQL server that a URL
// names, with its defaults and in a mode: session or transaction. Its URL names the same database.
func StartPgBouncer(t testing.TB, server, mode string) *Server {
	t.Helper()
	s, err := newPgBouncer(server, mode)
	return attach(t, s, err)
}

func newPgBouncer(server, mode string) (*Server, error) {
	program, err1 := findPgBouncer()
	account, err2 := postgresAccount() // it refuses to run as root
	behind, err3 := url.Parse(server)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	supervisor, err := newSupervisor(account, "KILL")
	if err != nil {
		return nil, err
	}
	password, _ := behind.User.Password()
	s := &Server{supervisor: supervisor, ready: func(s *Server) error {
		return execute(s.URL+"&default_query_exec_mode=simple_protocol", "SELECT 1")
	}}
	s.listen = func(s *Server, port int) {
		front := *behind
		s.Addr = loopback(port)
		front.Host = s.Addr
		s.URL = front.String()
		config := fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\n"+
			"listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
			"auth_type = plain\nauth_file = users\npool_mode = %s\n"+
			"server_login_retry = 1\n", // seconds; its default of 15 would make tests long
			behind.Hostname(), behind.Port(), port, mode)
		users := fmt.Sprintf("%q %q\n", behind.User.Username(), password)
		// If the files can't be written, the program says so in its log.
		_ = os.WriteFile(filepath.Join(supervisor.folder, "pgbouncer.ini"), []byte(config), 0o644)
		_ = os.WriteFile(filepath.Join(supervisor.folder, "users"), []byte(users), 0o644)
		s.command = quote(program) + " pgbouncer.ini"
	}
	return s.startOnFreePort()
}
