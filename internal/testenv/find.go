package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
)

// postgresBinaries is where Debian keeps the programs of a PostgreSQL server,
// one folder a version, outside of PATH.
const postgresBinaries = "/usr/lib/postgresql/*/bin"

// findPostgres returns the paths of initdb and postgres, of the same version.
func findPostgres() (initdb, postgres string, err error) {
	folders, err := filepath.Glob(postgresBinaries)
	if err != nil {
		return "", "", err
	}
	slices.Reverse(folders) // the latest version first: they have two digits
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

// findRedis returns the path of a server that speaks the protocol of Redis.
func findRedis() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing{"Redis", "redis-server or valkey-server"}
}

// Ports are taken from below those that systems give to outgoing connections.
// Otherwise such a connection could hold the port of a server that is down,
// which then couldn't start again; even one that tries to reach that server,
// for TCP lets a socket on loopback connect to itself.
const (
	firstPort = 10_000
	lastPort  = 32_000
)

// freePort returns a port of loopback on which nobody listens at the moment.
// Another process may take it before the caller does.
func freePort() (int, error) {
	l, err := freeListener()
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// freeListener returns a listener at a free port.
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
