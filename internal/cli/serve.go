package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey/embedded"
)

// patience is how long requests under way may take once the service is told to
// stop.
const patience = 30 * time.Second

// serveCmd runs the service.
type serveCmd struct {
	Listen string          `env:"LATCHKEY_LISTEN" default:"127.0.0.1:7070" help:"Address to answer at; port 0 takes any free one."`
	Config kong.ConfigFlag `env:"LATCHKEY_CONFIG" type:"path" placeholder:"FILE" help:"JSON file with settings by the names of these flags. Flags and the environment come first."`
	masterKey
	database
	Redis          string            `env:"LATCHKEY_REDIS" placeholder:"URL" help:"Redis or Valkey that counts rate limits for all nodes, such as redis://host:6379."`
	Limits         embedded.Limits   `env:"LATCHKEY_LIMITS" enum:"exact,fast,local" default:"exact" help:"What rate limits promise: ${enum}. Exact lets no more than the limit through on all nodes together; fast decides at once, reconciles over Redis and may let a little more through; with local each node counts for itself."`
	FailMode       embedded.FailMode `env:"LATCHKEY_FAIL_MODE" enum:"closed,stale" default:"closed" help:"What verifications do while the shared database is out of reach: ${enum}. Closed answers errors; stale goes on with what was read before."`
	StaleFor       time.Duration     `env:"LATCHKEY_STALE_FOR" default:"1m" help:"For how long stale goes on."`
	TrustedProxies []netip.Prefix    `env:"LATCHKEY_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For is believed; by default those on this machine."`
	DrainDelay     time.Duration     `env:"LATCHKEY_DRAIN_DELAY" default:"0s" placeholder:"TIME" help:"How long to go on answering after readiness has turned to 503, so that balancers notice."`
	Debug          bool              `env:"LATCHKEY_DEBUG" help:"Log every request."`
}

// Help is the manual of latchkey serve.
func (serveCmd) Help() string {
	return `Everything is kept in one data folder, or, with --database, in a PostgreSQL database that any number of nodes share; all of them need the same master key. At the first start it is made, and the root key of the operator is printed and kept in the file root.key there. SIGTERM or Ctrl-C ends the service when its requests are answered; a second one ends it at once.

Examples:

    latchkey serve
    latchkey serve --listen 0.0.0.0:7070 --data /var/lib/latchkey
    latchkey serve --database postgres://latchkey@db/latchkey --redis redis://redis:6379
    latchkey serve --config latchkey.json`
}

// Run runs the service until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	defer runtime.KeepAlive(headroom())
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if a.Data == "" {
		return errors.New("there is no home folder to keep data in; name a folder with --data")
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	log := a.logger(c.Debug)
	service, err := embedded.Open(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey, Log: log, TrustedProxies: c.TrustedProxies,
		Redis: c.Redis, Limits: c.Limits, FailMode: c.FailMode, StaleFor: c.StaleFor,
	})
	if err != nil {
		return err
	}
	if err := a.welcome(listener.Addr(), c.place(a), service.RootKey); err != nil {
		return errors.Join(err, service.Close(context.WithoutCancel(ctx)))
	}
	return c.answer(ctx, stop, listener, service, log)
}

// answer serves requests until ctx ends, and then stops in order: no more
// requests are invited, those that still come are answered until balancers have
// noticed, those under way are answered, and what is only in memory is saved.
func (c *serveCmd) answer(ctx context.Context, stop func(), listener net.Listener, service *embedded.Service, log *slog.Logger) error {
	var leaving atomic.Bool
	srv := &http.Server{
		Handler:           dismiss(service.Handler, &leaving),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	select {
	case err := <-failed:
		return errors.Join(err, service.Close(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	stop() // from here on a signal ends the process at once
	log.Info("stopping; requests under way are answered first")
	service.Drain()
	leaving.Store(true)
	time.Sleep(c.DrainDelay)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := srv.Shutdown(ending); err != nil {
		log.Warn("requests that took too long were given up", "error", errors.Join(err, srv.Close()))
	}
	return service.Close(context.WithoutCancel(ctx))
}

// dismiss asks clients to leave their connection with the next answer once the
// service is leaving, so that none of them sends into one that is being closed.
func dismiss(handler http.Handler, leaving *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// logger writes the log to standard error, in the form that --json asks for.
func (a *app) logger(debug bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		options.Level = slog.LevelDebug
	}
	if a.JSON {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// welcome says where the service is, and at first start what its root key is.
func (a *app) welcome(addr net.Addr, data, rootKey string) error {
	url, file := urlOf(addr), filepath.Join(a.Data, embedded.RootKeyFile)
	if a.JSON {
		return a.printJSON(struct {
			URL         string `json:"url"`
			Data        string `json:"data"`
			RootKey     string `json:"rootKey,omitempty"`
			RootKeyFile string `json:"rootKeyFile"`
		}{url, data, rootKey, file})
	}
	text := fmt.Sprintf("Latchkey %s answers at %s\nIts data is in %s\n", version(), url, data)
	if rootKey != "" {
		text += fmt.Sprintf("\nYour root key, shown only this once and kept in %s:\n%s\n", file, rootKey)
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

// urlOf writes an address as what a client on this machine calls.
func urlOf(addr net.Addr) string {
	tcp := addr.(*net.TCPAddr) // what a tcp listener has
	if tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + tcp.String()
}
