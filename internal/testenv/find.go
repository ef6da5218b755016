package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
)

// postgresBinaries is where Debian installs the programs of PostgreSQL servers, one folder per
// version, outside of PATH.
const postgresBinaries = "/usr/lib/postgresql/*/bin"

// findPostgres returns the paths of initdb and postgres of the same version.
func findPostgres() (initdb, postgres string, err error) {
	folders, err := filepath.Glob(postgresBinaries)
	if err != nil {
		return "", "", err
	}
	slices.Reverse(folders) // newest version first; all have two digits
	if onPath, err := exec.LookPath("initdb"); err == nil {
		folders = slices.Insert(folders, 0, filepath.Dir(onPath))
	}
	for _, folder := range folders {
		initdb, err1 := exec.LookPath(filepath.Join(folder, "initdb"))
		postgres, err2 := exec.LookPath(filepath.Join(folder, "postgres"))
		if err1 == nil && err2 == nil {
			return initdb, postgres, nil
		}
	}
	return "", "", missing{"PostgreSQL", "postgresql"}
}

// findPostgresTool returns the path of a program that is installed beside postgres.
func findPostgresTool(name string) (string, error) {
	_, postgres, err := findPostgres()
	if err != nil {
		return "", err
	}
	if postgres, err = filepath.EvalSymlinks(postgres); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(postgres), name), nil
}

// findPgBouncer returns the path of PgBouncer, which Debian installs outside of the PATH of users.
func findPgBouncer() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing{"PgBouncer", "pgbouncer"}
}

// findRedis returns the path of a Redis or Valkey server.
func findRedis() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing{"Redis", "redis-server or valkey-server"}
}

// Ports are below the range of outgoing connections. Otherwise an outgoing connection could
// occupy the port of a stopped server, which then could not restart. Even a client of that
// server could, because TCP lets a socket on loopback connect to itself.
const (
	firstPort = 10_000
	lastPort  = 32_000
)

// freePort returns a loopback port on which nobody listens. Another process can take it before
// the caller does.
func freePort() (int, error) {
	l, err := freeListener()
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// freeListener returns a listener on a free port.
func freeListener() (net.Listener, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no free port between %d and %d", firstPort, lastPort)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
