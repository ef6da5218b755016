// Package servers contains the small servers that Latchkey is compared with: the ceilings, which do
// the
// minimum of work, and a self-written service like those of many teams.
//
// Each server runs in its own process. Its first line of standard output is its address, a
// host:port on
// loopback.
package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Config has the backends of a server.
type Config struct {
	Postgres string // a DSN; it can contain a password, so it is never printed
	Redis    string // a host:port
}

// All are the servers by name. Each one serves until the listener fails.
var All = map[string]func(context.Context, net.Listener, Config) error{
	"bare":   serveBare,
	"static": serveStatic,
	"echo":   serveEcho,
	"diy":    serveSelfRolled,
}

// Run runs the named server on a free loopback port.
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

// serveHTTP serves with the timeouts of latchkey serve, which cost a little CPU per request.
func serveHTTP(listener net.Listener, handler http.Handler) error {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	return srv.Serve(listener)
}
