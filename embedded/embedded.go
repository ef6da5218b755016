// Package embedded runs the whole service in your process: the HTTP API with
// its engine and its database, on one folder, or as one node of several on a
// PostgreSQL database that they share. It is what latchkey serve runs.
//
//	service, err := embedded.Open(ctx, embedded.Config{Data: "/var/lib/latchkey"})
//	if err != nil { … }
//	defer service.Close(context.Background())
//	v, err := service.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key}) // in about a microsecond
//	http.ListenAndServe("127.0.0.1:7070", service.Handler)                         // and for everybody else
package embedded

import (
	"cmp"
	"context"
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
	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/server"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// RootKeyFile is the file in the data folder that keeps the operator's root key.
const RootKeyFile = "root.key"

// ErrInUse says that another process owns the data folder.
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
	// FailClosed answers with errors of status 503 after one second.
	FailClosed FailMode = "closed"
	// FailStale answers from cached data for up to Config.StaleFor.
	FailStale FailMode = "stale"
)

// Config is what a service is made of.
type Config struct {
	// Data is the folder that holds everything; made if missing. Beside a
	// Database it holds the secrets only: the files master.key and root.key.
	Data string
	// Database is the URL of a PostgreSQL database that any number of nodes
	// share, such as postgres://user:password@host/name. By default the data is
	// in the folder, and this process is the only one to use it.
	Database string
	// Redis is the URL of a Redis or Valkey that counts rate limits for all
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

	MasterKey      string           // seals recoverable keys; by default the file master.key in Data, made at first start
	Log            *slog.Logger     // what happens, slog.Default by default
	Now            func() time.Time // the clock, time.Now by default
	CacheBytes     uint64           // room for cached keys, 256 MiB by default
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is believed; nil means loopback, empty means nobody
	MaxBody        int64            // the longest request body in bytes, 10 MiB by default
}

// Service is a running service.
type Service struct {
	// Handler answers all requests: the API, its description and the health checks.
	Handler http.Handler
	// RootKey is the operator's root key at first start, else empty. It is kept
	// in RootKeyFile too, and nowhere else.
	RootKey string
	// Client calls the service without a socket, as the operator: with the root
	// key in RootKeyFile. Where that file is gone, give it one with SetRootKey.
	Client *latchkey.Client

	db       *store.DB
	engine   *engine.Engine
	gate     gate // calls of Client
	callers  engine.CallerCache
	draining atomic.Bool
	stale    bool // answers don't need the database for a while
}

// Open starts the service on the folder cfg.Data, or as a node on cfg.Database. A
// folder that another process is using is refused with ErrInUse, and so is a
// master key that doesn't open the data.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	db, err := openData(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, stale: cfg.FailMode == FailStale}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openData opens the database, which is in the data folder if it is nowhere else.
func openData(ctx context.Context, cfg Config) (*store.DB, error) {
	if cfg.Data == "" {
		return nil, errors.New("latchkey: no data folder given")
	}
	if err := makeFolder(cfg.Data); err != nil {
		return nil, fmt.Errorf("latchkey: data folder: %w", err)
	}
	return store.Open(ctx, cmp.Or(cfg.Database, cfg.Data))
}

// start opens what stands on the database.
func (s *Service) start(ctx context.Context, cfg Config) error {
	masters, made, err := unlock(ctx, s.db, cfg)
	if err != nil {
		return err
	}
	s.engine, err = engine.Open(ctx, engine.Config{
		DB: s.db, Vault: masters, Now: cfg.Now, Log: cfg.Log, CacheBytes: cfg.CacheBytes,
		Redis: cfg.Redis, Limits: engine.Limits(cfg.Limits),
		FailMode: engine.FailMode(cfg.FailMode), StaleFor: cfg.StaleFor,
	})
	if errors.Is(err, vault.ErrUnknownMaster) { // another node was first to make one
		return errors.Join(refuseMaster(cfg, err), made.undo())
	}
	if err != nil {
		return err
	}
	keep := func(rootKey string) error { return keepSecret(filepath.Join(cfg.Data, RootKeyFile), rootKey) }
	if s.RootKey, err = s.engine.FirstRootKey(ctx, keep); err != nil {
		return errors.Join(fmt.Errorf("latchkey: first root key: %w", err), s.engine.Close(ctx))
	}
	s.Handler = server.New(server.Config{
		Engine: s.engine, Log: cfg.Log, TrustedProxies: cfg.TrustedProxies, MaxBody: cfg.MaxBody, Ready: s.ready,
	})
	rootKey := s.operator(cfg.Data)
	s.Client, err = latchkey.New(latchkey.Config{
		Transport: s, Retry: latchkey.NoRetry, // no call is lost on the way
		RootKeyFunc: func(context.Context) (string, error) { return rootKey, nil },
	})
	return err
}

// operator returns the operator's root key, or "" where it is not kept.
func (s *Service) operator(dir string) string {
	if s.RootKey != "" {
		return s.RootKey
	}
	text, _ := os.ReadFile(filepath.Join(dir, RootKeyFile)) // the service runs without it
	return strings.TrimSpace(string(text))
}

// ready tells why requests should go elsewhere, if they should.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("the service is shutting down")
	}
	_, err := s.db.CountWorkspaces(ctx)
	if s.stale && store.IsUnavailable(err) {
		return nil // every node is in the same state, and can answer most requests
	}
	return err
}

// Drain makes /health/ready answer 503, so that no more requests are sent here.
// Those that come are still answered.
func (s *Service) Drain() { s.draining.Store(true) }

// Close saves what is only in memory, takes the node out of the list of those
// that run and closes the database. Calls of Client
// that are under way are answered before, those that come later are refused with
// latchkey.ErrUnavailable. No HTTP request may be under way: shut the HTTP
// server down before.
func (s *Service) Close(ctx context.Context) error {
	s.Drain()
	s.gate.close()
	return errors.Join(s.engine.Close(ctx), s.db.Close())
}
