package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/latchkeyhq/latchkey/bench/load"
)

// redis starts a Redis server without persistence.
func (e *env) redis() (running, error) {
	return once(e, "redis", func() (running, error) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			return running{}, skip{err}
		}
		addr, err := freeAddr()
		if err != nil {
			return running{}, err
		}
		_, port, _ := strings.Cut(addr, ":")
		p, err := e.start(exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--save", "",
			"--appendonly", "no"), func() error {
			conn, err := load.DialRaw(addr, []byte("PING\r\n"), []byte("+PONG\r\n"))
			if err != nil {
				return err
			}
			_, err = conn.Do()
			return errors.Join(err, conn.Close())
		})
		return running{p, addr}, err
	})
}

// postgresBin is where Debian installs the programs of PostgreSQL.
const postgresBin = "/usr/lib/postgresql/15/bin"

// postgres starts a PostgreSQL server with default settings, except that it listens only on
// loopback
// and trusts every local client.
func (e *env) postgres() (running, error) {
	return once(e, "postgres", func() (running, error) {
		if _, err := os.Stat(postgresBin); err != nil {
			return running{}, skip{err}
		}
		as, err := credentialsOf("postgres")
		if err != nil {
			return running{}, skip{err}
		}
		dir, err := e.folder("postgres")
		if err != nil {
			return running{}, err
		}
		if as != nil {
			if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
				return running{}, err
			}
		}
		initdb := exec.Command(filepath.Join(postgresBin, "initdb"), "-D", dir, "-U", "bench",
			"--auth", "trust", "-E", "UTF8", "--locale", "C")
		initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
		if err := run(initdb); err != nil {
			return running{}, err
		}
		addr, err := freeAddr()
		if err != nil {
			return running{}, err
		}
		_, port, _ := strings.Cut(addr, ":")
		cmd := exec.Command(filepath.Join(postgresBin, "postgres"), "-D", dir, "-h", "127.0.0.1",
			"-p", port, "-k", dir, "-c", "max_connections=300")
		cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
		p, err := e.start(cmd, func() error {
			return run(exec.Command(filepath.Join(postgresBin, "pg_isready"), "-h", "127.0.0.1",
				"-p", port, "-q"))
		})
		return running{p, addr}, err
	})
}

// database creates a PostgreSQL database and returns its DSN.
func (e *env) database(name string) (dsn string, server running, err error) {
	server, err = e.postgres()
	if err != nil {
		return "", server, err
	}
	dsn, err = once(e, "database "+name, func() (string, error) {
		_, port, _ := strings.Cut(server.addr, ":")
		err := run(exec.Command(filepath.Join(postgresBin, "createdb"), "-h", "127.0.0.1", "-p",
			port, "-U", "bench", name))
		return fmt.Sprintf("postgres://bench@%s/%s?sslmode=disable", server.addr, name), err
	})
	return dsn, server, err
}

// credentialsOf returns the credentials of a user, or nil if this process does not run as root.
func credentialsOf(name string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
