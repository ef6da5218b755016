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

// gracePeriod bounds how long requests in progress can take after the service is
// told to stop.
const gracePeriod = 30 * time.Second

// serveCmd runs the service.
type serveCmd struct {
	Listen string          `env:"LATCHKEY_LISTEN" default:"127.0.0.1:7070" help:"Address to listen on; port 0 takes any free one."`
	Config kong.ConfigFlag `env:"LATCHKEY_CONFIG" type:"path" placeholder:"FILE" help:"JSON file with settings, named like these flags. Flags and the environment take precedence."`
	masterKey
	database
	Redis          string            `env:"LATCHKEY_REDIS" placeholder:"URL" help:"Redis or Valkey that counts rate limits for all nodes, such as redis://host:6379."`
	Limits         embedded.Limits   `env:"LATCHKEY_LIMITS" enum:"exact,fast,local" default:"exact" help:"Guarantee of rate limits: ${enum}. exact admits no more than the limit on all nodes together; fast decides locally, synchronizes over Redis and can admit slightly more; local counts on each node separately."`
	FailMode       embedded.FailMode `env:"LATCHKEY_FAIL_MODE" enum:"closed,stale" default:"closed" help:"Verifications while the shared database is unavailable: ${enum}. closed returns errors; stale uses cached data."`
	StaleFor       time.Duration     `env:"LATCHKEY_STALE_FOR" default:"1m" help:"Maximum age of cached data with --fail-mode stale."`
	TrustedProxies []netip.Prefix    `env:"LATCHKEY_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For is trusted (default: none)."`
	DrainDelay     time.Duration     `env:"LATCHKEY_DRAIN_DELAY" default:"0s" placeholder:"TIME" help:"How long to keep serving after readiness turns to 503, so that load balancers notice."`
	Debug          bool              `env:"LATCHKEY_DEBUG" help:"Log every request."`
}

// Help is the manual of latchkey serve.
func (serveCmd) Help() string {
	return `All data is in one data folder, or, with --database, in a PostgreSQL database that any
number of nodes share with the same master key. The first start creates the master key and the
operator's root key, prints the root key and saves it in the file root.key. SIGTERM or Ctrl-C stops
the service after the requests in progress; a second one stops it at once.

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
		return errors.New("there is no home folder for the data; name a folder with --data")
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	log := a.logger(c.Debug)
	service, err := embedded.Open(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey, Log: log,
		TrustedProxies: c.TrustedProxies,
		Redis:          c.Redis, Limits: c.Limits, FailMode: c.FailMode, StaleFor: c.StaleFor,
	})
	if err != nil {
		return err
	}
	if err := a.welcome(listener.Addr(), c.place(a), service.RootKey); err != nil {
		return errors.Join(err, service.Close(context.WithoutCancel(ctx)))
	}
	return c.answer(ctx, stop, listener, service, log)
}

// answer serves requests until ctx ends, and then stops in order: readiness turns
// to 503, new requests are served until load balancers have noticed, requests in
// progress are finished, and what is only in memory is saved.
func (c *serveCmd) answer(
	ctx context.Context, stop func(), listener net.Listener, service *embedded.Service,
	log *slog.Logger,
) error {
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
	log.Info("stopping; finishing the requests in progress first")
	service.Drain()
	leaving.Store(true)
	time.Sleep(c.DrainDelay)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	if err := srv.Shutdown(ending); err != nil {
		log.Warn("requests that took too long were aborted", "error", errors.Join(err, srv.Close()))
	}
	return service.Close(context.WithoutCancel(ctx))
}

// dismiss closes each connection with its next response once the service is
// stopping, so that no client sends a request into a closing connection.
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

// welcome prints the URL of the service and, at first start, its root key.
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
	text := fmt.Sprintf("Latchkey %s is listening at %s\nData: %s\n", version(), url, data)
	if rootKey != "" {
		text += fmt.Sprintf("\nYour root key, shown only once and saved in %s:\n%s\n", file, rootKey)
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

// urlOf returns the URL of an address for clients on this machine.
func urlOf(addr net.Addr) string {
	tcp := addr.(*net.TCPAddr) // what a tcp listener has
	if tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + tcp.String()
}
