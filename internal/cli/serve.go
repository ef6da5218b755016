package cli

import (
	"cmp"
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
	"strings"
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
	Listen         string          `env:"LATCHKEY_LISTEN" default:"127.0.0.1:7070" help:"Address to listen on; port 0 takes any free one. unix:FILE is a Unix socket, for programs of the owner and the group of the service."`
	MetricsListen  string          `env:"LATCHKEY_METRICS_LISTEN" placeholder:"ADDRESS" help:"Address for /metrics and the health checks (default: /metrics is at --listen if that is on this machine only, else off)."`
	TLSCert        string          `name:"tls-cert" env:"LATCHKEY_TLS_CERT" type:"path" placeholder:"FILE" help:"Certificate chain in PEM, to serve HTTPS at --listen. It is reloaded when the file changes."`
	TLSKey         string          `name:"tls-key" env:"LATCHKEY_TLS_KEY" type:"path" placeholder:"FILE" help:"Private key of the certificate."`
	MaxConnections int64           `env:"LATCHKEY_MAX_CONNECTIONS" default:"10000" placeholder:"N" help:"Connections that are open at the same time at most."`
	Config         kong.ConfigFlag `env:"LATCHKEY_CONFIG" type:"path" placeholder:"FILE" help:"JSON file with settings, named like these flags. Flags and the environment take precedence."`
	masterKey
	database
	eventSettings
	Redis           string            `secret:"" env:"LATCHKEY_REDIS" placeholder:"URL" help:"Redis or Valkey that counts rate limits for all nodes, such as redis://host:6379."`
	Limits          embedded.Limits   `env:"LATCHKEY_LIMITS" enum:"exact,fast,local" default:"exact" help:"Guarantee of rate limits: ${enum}. exact admits no more than the limit on all nodes together; fast decides locally, synchronizes over Redis and can admit slightly more; local counts on each node separately."`
	FailMode        embedded.FailMode `env:"LATCHKEY_FAIL_MODE" enum:"closed,stale" default:"closed" help:"Verifications while the shared database is unavailable: ${enum}. closed returns errors; stale uses cached data."`
	StaleFor        time.Duration     `env:"LATCHKEY_STALE_FOR" default:"1m" help:"Maximum age of cached data with --fail-mode stale."`
	TrustedProxies  []netip.Prefix    `env:"LATCHKEY_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For is trusted (default: none)."`
	DrainDelay      time.Duration     `env:"LATCHKEY_DRAIN_DELAY" default:"0s" placeholder:"TIME" help:"How long to keep serving after readiness turns to 503, so that load balancers notice."`
	AuditRetention  time.Duration     `env:"LATCHKEY_AUDIT_RETENTION" default:"9600h" placeholder:"TIME" help:"How long records of the audit log are kept; 0 is for ever (default: 400 days)."`
	AuditExport     string            `env:"LATCHKEY_AUDIT_EXPORT" type:"path" placeholder:"FOLDER" help:"Folder of files that records are appended to before they are dropped."`
	BackupDir       string            `env:"LATCHKEY_BACKUP_DIR" type:"path" placeholder:"FOLDER" help:"Folder for backups of the data folder (default: none are made)."`
	BackupEvery     time.Duration     `env:"LATCHKEY_BACKUP_EVERY" default:"24h" placeholder:"TIME" help:"Time between two backups."`
	BackupKeep      int               `env:"LATCHKEY_BACKUP_KEEP" default:"7" placeholder:"N" help:"Newest backups that are kept; older ones are deleted."`
	AdoptFrom       string            `env:"LATCHKEY_ADOPT_FROM" placeholder:"URL" help:"URL of Unkey or another service to ask once about keys that are unknown here, and to take them over from."`
	AdoptKey        string            `secret:"" env:"LATCHKEY_ADOPT_KEY" placeholder:"KEY" help:"Root key of that service, with the permission api.ID.read_key for the API there whose keys are adopted."`
	AdoptAPI        string            `name:"adopt-api" env:"LATCHKEY_ADOPT_API" placeholder:"ID" help:"API that these keys will belong to."`
	PortalURL       string            `name:"portal-url" env:"LATCHKEY_PORTAL_URL" placeholder:"URL" help:"Page to which sessions of portals send end users, with a code (default: /portal at the host of the request)."`
	WebhookNetworks []netip.Prefix    `env:"LATCHKEY_WEBHOOK_NETWORKS" placeholder:"CIDR" help:"Networks with private addresses that webhooks can be sent to (default: only addresses on the internet)."`
	V1              bool              `name:"v1" env:"LATCHKEY_V1" help:"Also serve version 1 of Unkey's API at /v1/, for old clients. Anybody who can reach the port can then verify keys without a root key."`
	V1APIs          []string          `name:"v1-apis" env:"LATCHKEY_V1_APIS" placeholder:"ID" help:"With --v1, the only APIs whose keys can be verified without a root key (default: all)."`
	UI              embedded.UI       `name:"ui" env:"LATCHKEY_UI" enum:"on,read-only,off" default:"on" help:"Dashboard at /: ${enum}. People sign in with a root key. read-only changes nothing."`
	UIListen        string            `name:"ui-listen" env:"LATCHKEY_UI_LISTEN" placeholder:"ADDRESS" help:"Address for the dashboard alone, which is then not at --listen (default: at --listen)."`
	Gates           gates             `env:"LATCHKEY_GATES" placeholder:"JSON" help:"Gates, at /auth/NAME, that tell a proxy which requests can pass to another service: {\"NAME\": {\"api\": \"ID\"}}. See docs/gate.md."`
	Debug           bool              `env:"LATCHKEY_DEBUG" help:"Log every request."`
}

// Help is the manual of latchkey serve.
func (serveCmd) Help() string {
	return `All data is in one data folder, or, with --database, in a PostgreSQL database that any
number of nodes share with the same master key. The first start creates the master key and the
operator's root key, prints the root key and saves it in the file root.key.

LATCHKEY_MASTER_KEY_FILE, LATCHKEY_DATABASE_FILE and LATCHKEY_REDIS_FILE name files that have the
value, instead of the variables without _FILE.

SIGTERM, SIGHUP or Ctrl-C stops the service after the requests in progress; a second one stops it at
once.

--v1 opens version 1 of Unkey's API for clients that know no other. In it, verifying a key needs
no root key: whoever can reach the port can verify keys, which spends their credits and shows
their metadata. Each address has 100 such verifications a second; --v1-apis names the only APIs
for which they work.

Examples:

    latchkey serve
    latchkey serve --listen 0.0.0.0:7070 --data /var/lib/latchkey
    latchkey serve --database postgres://latchkey@db/latchkey --redis redis://redis:6379
    latchkey serve --config latchkey.json`
}

// Validate refuses settings that don't go together.
func (c *serveCmd) Validate() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key need one another")
	case c.MaxConnections < 1:
		return errors.New("--max-connections must be at least 1")
	case c.TLSCert != "" && strings.HasPrefix(c.Listen, "unix:"):
		return errors.New("--tls-cert needs a --listen with a port, not a Unix socket")
	case c.BackupDir != "" && c.Database != "":
		return errors.New("--backup-dir is for the data folder: back up a PostgreSQL database with " +
			"pg_dump or your usual method")
	case c.BackupEvery < time.Second || c.BackupKeep < 1:
		return errors.New("--backup-every must be at least 1s, and --backup-keep at least 1")
	case (c.AdoptFrom == "") != (c.AdoptKey == "") || (c.AdoptFrom == "") != (c.AdoptAPI == ""):
		return errors.New("--adopt-from, --adopt-key and --adopt-api need one another")
	case c.UIListen != "" && c.UI == embedded.UIOff:
		return errors.New("--ui-listen needs --ui on or --ui read-only")
	case len(c.V1APIs) > 0 && !c.V1:
		return errors.New("--v1-apis needs --v1")
	}
	return c.eventSettings.validate()
}

// Run runs the service until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, a *app) (err error) {
	defer runtime.KeepAlive(headroom())
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	if a.Data == "" {
		return errors.New("there is no home folder for the data; name a folder with --data")
	}
	log := a.logger(c.Debug)
	l, err := c.listen(log)
	if err != nil {
		return err
	}
	defer l.close()
	service, err := embedded.Open(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey, Log: log,
		TrustedProxies: c.TrustedProxies,
		Redis:          c.Redis, Limits: c.Limits, FailMode: c.FailMode, StaleFor: c.StaleFor,
		AuditRetention: c.AuditRetention, AuditExport: c.AuditExport,
		BackupDir: c.BackupDir, BackupEvery: c.BackupEvery, BackupKeep: c.BackupKeep,
		EventsOff: c.Events == "off", EventsRetention: c.EventsRetention, EventsBytes: c.EventsBytes,
		UI: c.UI, UIApart: c.UIListen != "", Version: version(),
		PortalURL: c.PortalURL, WebhookNetworks: c.WebhookNetworks,
		V1: c.V1, V1APIs: c.V1APIs, Adopt: c.adopt(), Gates: c.Gates,
	})
	if err != nil {
		return err
	}
	warnOfModes(log, a.Data)
	log.Info("started", "version", version(), "url", l.url(), "metrics", l.metricsURL(),
		"dashboard", l.dashboardURL(service),
		"database", c.kind(), "data", c.place(a), "limits", c.Limits, "redis", c.Redis != "",
		"failMode", c.FailMode, "tls", l.tls, "backups", cmp.Or(c.BackupDir, "off"))
	defer func(begun time.Time) {
		log.Info("stopped", "reason", reason(ctx, err), "uptime", time.Since(begun).Round(time.Second))
	}(time.Now())
	if err := a.welcome(l, c.place(a), service); err != nil {
		return errors.Join(err, service.Close(context.WithoutCancel(ctx)))
	}
	defer a.rememberAddress(l.url(), log)()
	return c.serve(ctx, stop, l, service, log)
}

// reason says why the service ends: an error, or the signal that it got.
func reason(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return context.Cause(ctx)
}

// adopt returns where keys are adopted from, or nil.
func (c *serveCmd) adopt() *embedded.Adopt {
	if c.AdoptFrom == "" {
		return nil
	}
	return &embedded.Adopt{URL: c.AdoptFrom, RootKey: c.AdoptKey, API: c.AdoptAPI}
}

// rememberAddress writes the URL of the service beside its root key, where other commands find
// the pair, until it stops. A service whose data is all elsewhere needs no folder.
func (a *app) rememberAddress(url string, log *slog.Logger) (forget func()) {
	file := filepath.Join(a.Data, addressFile)
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		log.Debug("commands on this machine need --url", "error", err)
		return func() {}
	}
	return func() { _ = os.Remove(file) } // a stale one is replaced by the next start
}

// stopSignals are the signals that stop the service in order. SIGHUP, which a terminal
// sends when it is closed, stays ignored if it is, as nohup does.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// serve serves requests until ctx ends, and then stops in order: readiness turns
// to 503, new requests are served until load balancers have noticed, requests in
// progress are finished, and what is only in memory is saved.
func (c *serveCmd) serve(
	ctx context.Context, stop func(), l *listeners, service *embedded.Service,
	log *slog.Logger,
) error {
	var stopping atomic.Bool
	api := service.Handler
	if l.metrics == nil && l.local() {
		api = withMetrics(api, service.Metrics)
	}
	servers := map[net.Listener]*http.Server{l.api: newServer(dismiss(api, &stopping), log)}
	if l.metrics != nil {
		servers[l.metrics] = newServer(service.Metrics, log)
	}
	if l.dashboard != nil {
		servers[l.dashboard] = newServer(dismiss(service.Dashboard, &stopping), log)
	}
	failed := make(chan error, len(servers))
	for listener, server := range servers {
		go func() { failed <- server.Serve(listener) }()
	}
	select {
	case err := <-failed:
		return errors.Join(err, service.Close(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	stop() // from here on a signal ends the process at once
	log.Info("stopping; finishing the requests in progress first", "reason", context.Cause(ctx))
	service.Drain()
	stopping.Store(true)
	time.Sleep(c.DrainDelay)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(ending); err != nil {
			log.Warn("requests that took too long were aborted", "error", errors.Join(err, server.Close()))
		}
	}
	return service.Close(context.WithoutCancel(ctx))
}

// newServer returns a server with bounds for everything that a client sends before the
// handler knows who it is; the handler bounds the body. Responses get a little more
// time than requests, so that a request that was too slow can be told so.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    16 << 10,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      70 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true) // with HTTP/2 a connection would be many
	return server
}

// withMetrics serves the metrics beside the API.
func withMetrics(api, metrics http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && r.URL.RawPath == "" {
			metrics.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
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

// welcome prints the URL of the service and, at first start, its root key and a link that
// signs in to the dashboard once.
func (a *app) welcome(l *listeners, data string, service *embedded.Service) error {
	url, rootKey, dashboard := l.url(), service.RootKey, ""
	if service.Welcome != "" {
		dashboard = l.dashboardURL(service) + service.Welcome
	}
	file := filepath.Join(a.Data, embedded.RootKeyFile)
	if a.JSON {
		return a.printJSON(struct {
			URL         string `json:"url"`
			Data        string `json:"data"`
			RootKey     string `json:"rootKey,omitempty"`
			RootKeyFile string `json:"rootKeyFile"`
			Welcome     string `json:"welcome,omitempty"`
		}{url, data, rootKey, file, dashboard})
	}
	text := fmt.Sprintf("Latchkey %s is listening at %s\nData: %s\n", version(), url, data)
	if rootKey != "" {
		text += fmt.Sprintf("\nYour root key, shown only once and saved in %s:\n%s\n", file, rootKey)
	}
	if dashboard != "" {
		text += fmt.Sprintf("\nOpen the dashboard with this link, which works once:\n%s\n", dashboard)
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}
