// Package servers has the servers that Latchkey is measured beside and that are
// small enough to be written here: the ceilings, which do the least that is
// possible, and what most teams write themselves.
//
// Each runs in a process of its own. It prints its address, a host:port on
// loopback, as the first line of standard output.
package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Config is what a server needs besides itself.
type Config struct {
	Postgres string // a DSN; may hold a password, so it comes by the environment and is never printed
	Redis    string // a host:port
}

// All are the servers by name. Each serves until the listener fails.
var All = map[string]func(context.Context, net.Listener, Config) error{
	"bare": serveBare,
	"echo": serveEcho,
	"diy":  serveSelfRolled,
}

// Run runs a server by name on a free port of loopback.
func Run(ctx context.Context, name string, cfg Config, out io.Writer) error {
	serve, ok := All[name]
	if !ok {
		return fmt.Errorf("there is no server %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	return serve(ctx, listener, cfg)
}

// serveHTTP serves with the timeouts that latchkey serve has, which cost a
// little for each request.
func serveHTTP(listener net.Listener, handler http.Handler) error {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	return srv.Serve(listener)
}
