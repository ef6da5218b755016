// Package embedded runs the whole service in your process: the HTTP API with
// its engine and its database, on one folder. It is what latchkey serve runs.
//
//	service, err := embedded.Open(ctx, embedded.Config{Data: "/var/lib/latchkey"})
//	if err != nil { … }
//	defer service.Close(context.Background())
//	v, err := service.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key}) // in about a microsecond
//	http.ListenAndServe("127.0.0.1:7070", service.Handler)                         // and for everybody else
package embedded

import (
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
)

// RootKeyFile is the file in the data folder that keeps the operator's root key.
const RootKeyFile = "root.key"

// ErrInUse says that another process owns the data folder.
var ErrInUse = store.ErrLocked

// Config is what a service is made of.
type Config struct {
	Data           string           // the folder that holds everything; made if missing
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
	draining atomic.Bool
}

// Open starts the service on the folder cfg.Data. A folder that another process
// is using is refused with ErrInUse, and so is a master key that doesn't open
// the data.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	db, err := openData(ctx, cfg.Data)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openData opens the database of a data folder.
func openData(ctx context.Context, dir string) (*store.DB, error) {
	if dir == "" {
		return nil, errors.New("latchkey: no data folder given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("latchkey: data folder: %w", err)
	}
	return store.Open(ctx, dir)
}

// start opens what stands on the database.
func (s *Service) start(ctx context.Context, cfg Config) error {
	masters, err := unlock(ctx, s.db, cfg)
	if err != nil {
		return err
	}
	// Nothing is lost on the way to this service, so nothing is sent twice.
	if s.Client, err = latchkey.New(latchkey.Config{Transport: s, Retry: latchkey.NoRetry}); err != nil {
		return err
	}
	s.engine, err = engine.Open(ctx, engine.Config{DB: s.db, Vault: masters, Now: cfg.Now, Log: cfg.Log, CacheBytes: cfg.CacheBytes})
	if err != nil {
		return err
	}
	keep := func(rootKey string) error { return writeSecret(filepath.Join(cfg.Data, RootKeyFile), rootKey) }
	if s.RootKey, err = s.engine.FirstRootKey(ctx, keep); err != nil {
		return errors.Join(fmt.Errorf("latchkey: first root key: %w", err), s.engine.Close(ctx))
	}
	s.Handler = server.New(server.Config{
		Engine: s.engine, Log: cfg.Log, TrustedProxies: cfg.TrustedProxies, MaxBody: cfg.MaxBody, Ready: s.ready,
	})
	s.Client.SetRootKey(s.operator(cfg.Data))
	return nil
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
	return err
}

// Drain makes /health/ready answer 503, so that no more requests are sent here.
// Those that come are still answered.
func (s *Service) Drain() { s.draining.Store(true) }

// Close saves what is only in memory and closes the database. Calls of Client
// that are under way are answered before, those that come later are refused with
// latchkey.ErrUnavailable. No HTTP request may be under way: shut the HTTP
// server down before.
func (s *Service) Close(ctx context.Context) error {
	s.Drain()
	s.gate.close()
	return errors.Join(s.engine.Close(ctx), s.db.Close())
}
