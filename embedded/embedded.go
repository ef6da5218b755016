// Package embedded runs the whole service in your process: either alone, with its
// data in one folder, or as one of several nodes that share a PostgreSQL database.
// The command latchkey serve uses it.
//
//	service, err := embedded.Open(ctx, embedded.Config{Data: "/var/lib/latchkey"})
//	if err != nil { … }
//	defer service.Close(context.Background())
//
//	// In this process, a verification takes about a microsecond.
//	v, err := service.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key})
//
//	// Other programs use the HTTP API.
//	server := http.Server{
//		Addr: "127.0.0.1:7070", Handler: service.Handler,
//		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
//	}
//	server.ListenAndServe()
package embedded

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/durable"
	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/server"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// RootKeyFile is the name of the file in the data folder that has the root key of
// the operator.
const RootKeyFile = "root.key"

// ErrInUse is the error of [Open] if another process uses the data folder.
var ErrInUse = store.ErrLocked

// Limits says how exactly rate limits are counted. Where they are counted
// follows from the Config: in memory on a single node, in Redis if there is one,
// otherwise in rows of the shared database.
type Limits string

// The values of Limits.
const (
	// Exact never allows more than the limit, on all nodes together.
	Exact Limits = "exact"
	// Fast needs Redis. It decides in memory and reconciles in the background, so
	// a little more than the limit can be allowed.
	Fast Limits = "fast"
	// Local counts on each node by itself, so N nodes allow N times the limit.
	Local Limits = "local"
)

// FailMode says how keys are verified while the shared database is down. In
// either mode no credits are spent and nothing is changed during that time.
type FailMode string

// The values of FailMode.
const (
	// FailClosed returns errors with status 503 once cached data is a second old.
	FailClosed FailMode = "closed"
	// FailStale uses cached data for up to Config.StaleFor.
	FailStale FailMode = "stale"
)

// UI says what the dashboard can do. People sign in with a root key, and can do there
// what it can do.
type UI string

// The values of UI.
const (
	// UIOn shows and changes.
	UIOn UI = "on"
	// UIReadOnly shows, and changes nothing.
	UIReadOnly UI = "read-only"
	// UIOff serves no dashboard.
	UIOff UI = "off"
)

// Config configures a [Service]. Only Data is required.
type Config struct {
	// Data is the folder of the database and of the secrets, the files master.key
	// and root.key. It is created if it is missing. With Database it has the
	// secrets only, and in postgres-timeline which primary was promoted last.
	Data string
	// Database is the URL of a PostgreSQL database that any number of nodes
	// share, such as postgres://user:password@host/name. By default the data is
	// in an SQLite database in Data, which only this process can use.
	Database string
	// Redis is the URL of a Redis or Valkey server that counts rate limits for all
	// nodes, such as redis://host:6379. By default there is none.
	Redis string
	// Limits says how exactly rate limits are counted; Exact by default.
	Limits Limits
	// FailMode says how keys are verified while Database is down; FailClosed by
	// default.
	FailMode FailMode
	// StaleFor bounds the age of cached data that is used while Database is down,
	// with FailStale only; one minute by default.
	StaleFor time.Duration

	// MasterKey encrypts recoverable keys. By default it is in the file master.key
	// in Data, which is created at the first start.
	MasterKey string
	// Log is the log of the service; slog.Default by default.
	Log *slog.Logger
	// Now returns the time of the service; time.Now by default.
	Now func() time.Time
	// CacheBytes bounds the memory of cached keys; 256 MiB by default.
	CacheBytes uint64
	// AuditRetention is how long records of the audit log are kept; zero is for ever.
	AuditRetention time.Duration
	// AuditExport is a folder of files that records of the audit log are appended to
	// before they are deleted, one JSON object a line. It is created if it is missing.
	// A record is deleted only after it is on disk there. By default there is none. It
	// needs AuditRetention.
	AuditExport string
	// BackupDir is a folder for backups of the data folder. It is created if it is missing.
	// By default no backups are made. It must be empty with Database.
	BackupDir string
	// BackupEvery is the time between two backups; 24 hours by default.
	BackupEvery time.Duration
	// BackupKeep is how many of the newest backups are kept; 7 by default.
	BackupKeep int
	// EventsOff keeps no events: no record of single verifications and decisions on rate
	// limits, and so no analytics and no usage.
	EventsOff bool
	// EventsRetention is how long single events are kept, 90 days by default; decisions on
	// rate limits at most 31 days. Sums by hour, day and month are kept longer.
	EventsRetention time.Duration
	// EventsBytes bounds the stored single events of all workspaces together: the oldest
	// are deleted beyond it. 10 GB by default.
	EventsBytes int64
	// Adopt takes over keys of another service while they are used: a key that is unknown here is
	// asked for there, once, and kept with what is known of it. By default there is none.
	Adopt *Adopt
	// TrustedProxies are the proxies whose X-Forwarded-For header is used, none by
	// default. They can claim any address for their clients.
	TrustedProxies []netip.Prefix
	// WebhookNetworks are the networks with private addresses that webhooks can be sent to;
	// none by default. Addresses on the internet are always allowed.
	WebhookNetworks []netip.Prefix
	// PortalURL is the page to which portal.createSession sends end users, with a code as
	// the parameter "code". By default it is /portal at the host by which its caller reached
	// the service; in this process there is no default.
	PortalURL string
	// V1 also serves version 1 of Unkey's API, under /v1/, for clients that don't know
	// version 2. Everybody who reaches the service can then verify keys without a root
	// key, at most 100 a second for each address; see docs/compatibility.md.
	V1 bool
	// V1APIs are the APIs whose keys can be verified without a root key, with V1 only;
	// all by default.
	V1APIs []string
	// UI says what the dashboard at / of Handler can do; UIOn by default.
	UI UI
	// UIApart serves the dashboard by Service.Dashboard only, and not by Handler.
	UIApart bool
	// Version is the version of your program that the dashboard and system.getHealth show; none
	// by default.
	Version string
	// Gates are the gates by name, which is 1 to 64 of a-z, 0-9 and -: each is at the path
	// /auth/NAME of Handler. By default there are none.
	Gates map[string]latchkey.Gate
}

// Service is a running service.
type Service struct {
	// Handler serves the HTTP API, its reference page and OpenAPI document, the
	// health checks, and the dashboard.
	Handler http.Handler
	// Dashboard serves the dashboard alone; nil if it is off.
	Dashboard http.Handler
	// Welcome is the path of the dashboard that signs in as the operator, once; it is ""
	// except at the first start.
	Welcome string
	// Metrics serves /metrics, in the text format of Prometheus, and the health
	// checks. It needs no root key: serve it at an address that only your monitoring
	// reaches.
	Metrics http.Handler
	// RootKey is the root key of the operator at the first start, else empty. The
	// service stores only its hash; the file RootKeyFile has a copy.
	RootKey string
	// Client calls the service in process, as the operator, with the root key in
	// the file RootKeyFile. If the file is gone, call SetRootKey.
	Client *latchkey.Client

	cfg      Config
	db       *store.DB
	engine   *engine.Engine
	backups  *schedule   // nil for none
	events   *events.Log // nil for none
	aside    *sql.DB     // for events; nil if they have a file
	gate     gate        // calls of Client
	callers  engine.CallerCache
	draining atomic.Bool
	stale    bool // verifications don't need the database for a while
}

// Open starts a service, and creates its database at the first start. It returns
// [ErrInUse] if another process uses the folder, and another error if the master
// key is not the one with which the data was encrypted.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	db, err := openData(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, db: db, stale: cfg.FailMode == FailStale}
	if err := s.openEvents(cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := s.start(ctx, cfg); err != nil {
		s.backups.close()
		return nil, errors.Join(err, s.closeEvents(ctx), db.Close())
	}
	return s, nil
}

// EventsFile is the name of the file in the data folder that has the events, unless they
// are in a PostgreSQL database. It can be deleted: then the history is lost, and nothing else.
const EventsFile = "events.db"

func (s *Service) openEvents(cfg Config) (err error) {
	if cfg.EventsOff {
		return nil
	}
	of := events.Config{
		Pool: s.db.Aside(), Node: rand.Text(), Now: cfg.Now, Log: cfg.Log,
		Retention: cfg.EventsRetention, MaxBytes: cfg.EventsBytes,
	}
	if s.aside = of.Pool; of.Pool == nil {
		of.File = filepath.Join(cfg.Data, EventsFile)
	}
	s.events, err = events.Open(of)
	return err
}

func (s *Service) closeEvents(ctx context.Context) error {
	if s.events == nil {
		return nil
	}
	err := s.events.Close(ctx)
	if s.aside != nil {
		err = errors.Join(err, s.aside.Close())
	}
	return err
}

// openData opens cfg.Database, or the database in the data folder. An error about
// the URL doesn't repeat it, because it can contain a password.
func openData(ctx context.Context, cfg Config) (*store.DB, error) {
	if cfg.Data == "" {
		return nil, errors.New("latchkey: no data folder given")
	}
	if cfg.Database != "" && !store.IsPostgres(cfg.Database) {
		return nil, errors.New("latchkey: the database must begin with postgres:// " +
			"(a URL without quotes, such as postgres://user:password@host/name)")
	}
	if err := durable.MakeFolder(cfg.Data); err != nil {
		return nil, fmt.Errorf("latchkey: data folder: %w", err)
	}
	return store.OpenWith(ctx, cmp.Or(cfg.Database, "sqlite://"+cfg.Data),
		store.Options{Folder: cfg.Data, Log: cfg.Log})
}

// surroundings is what the engine reports of this process.
func (s *Service) surroundings(cfg Config) engine.Surroundings {
	around := engine.Surroundings{Version: cfg.Version, Folder: cfg.Data}
	if cfg.BackupDir != "" {
		around.LastBackup = func() time.Time { return s.backups.lastBackup() }
	}
	return around
}

// start opens the parts of the service that need the database.
func (s *Service) start(ctx context.Context, cfg Config) error {
	adopt, err := cfg.Adopt.adoption()
	if err != nil {
		return err
	}
	masters, made, err := unlock(ctx, s.db, cfg)
	if err != nil {
		return err
	}
	s.engine, err = engine.Open(ctx, engine.Config{
		DB: s.db, Vault: masters, Events: s.events, Now: cfg.Now, Log: cfg.Log,
		CacheBytes:     cfg.CacheBytes,
		Adopt:          adopt,
		AuditRetention: cfg.AuditRetention, AuditExport: cfg.AuditExport,
		PortalURL: cfg.PortalURL, Around: s.surroundings(cfg),
		WebhookNetworks: cfg.WebhookNetworks,
		Redis:           cfg.Redis, Limits: engine.Limits(cfg.Limits),
		FailMode: engine.FailMode(cfg.FailMode), StaleFor: cfg.StaleFor,
	})
	if errors.Is(err, vault.ErrUnknownMaster) { // another node was first to make one
		return errors.Join(refuseMaster(cfg, err), made.undo())
	}
	if err != nil {
		return err
	}
	keep := func(rootKey string) error {
		return keepSecret(filepath.Join(cfg.Data, RootKeyFile), rootKey)
	}
	if s.RootKey, err = s.engine.FirstRootKey(ctx, keep); err != nil {
		return errors.Join(fmt.Errorf("latchkey: first root key: %w", err), s.engine.Close(ctx))
	}
	if err := s.checkGates(ctx, cfg); err != nil {
		return errors.Join(fmt.Errorf("latchkey: %w", err), s.engine.Close(ctx))
	}
	if s.backups, err = startSchedule(cfg, s.BackUp); err != nil {
		return errors.Join(err, s.engine.Close(ctx))
	}
	api := server.Config{
		Engine: s.engine, Log: cfg.Log, TrustedProxies: cfg.TrustedProxies,
		Ready: s.ready, V1: cfg.V1, V1APIs: cfg.V1APIs, Gates: cfg.Gates,
	}
	if s.backups != nil {
		api.LastBackup = s.backups.lastBackup
	}
	if api.Pages, s.Welcome, err = s.openUI(cfg); err != nil {
		return errors.Join(err, s.engine.Close(ctx))
	}
	api.PagesApart = cfg.UIApart
	s.Handler, s.Dashboard, s.Metrics = server.New(api)
	s.Client, err = latchkey.New(latchkey.Config{
		Transport: s, Retry: latchkey.NoRetry, // no call is lost on the way
		RootKeyFunc: func(context.Context) (string, error) { return "", nil },
	})
	if err == nil {
		s.Client.SetRootKey(s.operator(cfg.Data)) // New rejects an empty one
	}
	return err
}

// checkGates returns what is wrong with the configuration of gates. An API that doesn't exist
// is only logged: its gate refuses every request, and the others work.
func (s *Service) checkGates(ctx context.Context, cfg Config) error {
	if err := server.CheckGates(s.engine, cfg.Gates); err != nil {
		return err
	}
	for name, g := range cfg.Gates {
		if known, err := s.engine.HasAPI(ctx, g.API); err == nil && !known {
			cfg.Log.Error("a gate has an API that doesn't exist, and refuses every request",
				"gate", name, "api", g.API)
		}
	}
	return nil
}

// operator returns the root key of the operator, or "" if its file is gone.
func (s *Service) operator(dir string) string {
	if s.RootKey != "" {
		return s.RootKey
	}
	text, _ := os.ReadFile(filepath.Join(dir, RootKeyFile)) // the service runs without it
	return strings.TrimSpace(string(text))
}

// ready returns the reason why this node should get no requests, or nil.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("the service is shutting down")
	}
	_, err := s.db.CountWorkspaces(ctx)
	if err == nil {
		return s.engine.Ready()
	}
	if s.stale && store.IsUnavailable(err) {
		return nil // every node is in the same state, and can answer most requests
	}
	return err
}

// Drain makes /health/ready return status 503, so that load balancers send no more
// requests to this node. Requests are still served.
func (s *Service) Drain() { s.draining.Store(true) }

// Close saves what is only in memory, removes the node from the list of running
// ones, and closes the database. It waits for calls of Client that are under way;
// later ones fail with latchkey.ErrUnavailable. Shut down the HTTP server first:
// Handler must not be used during or after Close.
func (s *Service) Close(ctx context.Context) error {
	s.Drain()
	s.gate.close()
	s.backups.close()
	return errors.Join(s.engine.Close(ctx), s.closeEvents(ctx), s.db.Close())
}
