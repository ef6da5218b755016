// Package engine implements the operations of the API. Each operation is a method
// of [Engine] that takes the caller and a checked request and returns the
// response or a *latchkey.Error; [Ops] lists them (bind.go). Transports call
// [Engine.Serve], which makes all checks before the operation. Every change goes
// through one function (change.go); jobs.go has the background jobs. The engine owns
// authorization, the rules of the API and the caches. Storage, rate limits,
// permission queries and encryption are packages that know nothing of the API.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/query"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// Config configures an engine. DB and Vault are required.
type Config struct {
	DB         *store.DB        // the database; the engine does not close it
	Vault      *vault.Vault     // encrypts recoverable keys
	Now        func() time.Time // the clock, time.Now by default
	Log        *slog.Logger     // receives errors, slog.Default by default
	CacheBytes uint64           // the size of the key cache, 256 MiB by default

	Events *events.Log // records what happens; nil for nothing. The engine does not close it
	Adopt  *Adoption   // where keys come from that are unknown here; nil for nowhere

	Around Surroundings // what GetHealth reports of the process

	// The page of portals; by default /portal where a caller reaches the service.
	PortalURL string

	// Networks with private addresses that webhooks can be sent to; none by default.
	WebhookNetworks []netip.Prefix

	AuditRetention time.Duration // how long audit records are kept; 0 is for ever
	AuditExport    string        // folder of files with what is not kept; "" for none

	Redis    string        // the URL of the shared Redis or Valkey; none by default
	Limits   Limits        // the accuracy of rate limits, Exact by default
	FailMode FailMode      // while a shared database is down; Closed by default
	StaleFor time.Duration // with Stale, the maximum age of cached data; a minute by default
}

// Engine runs the operations. It is safe for concurrent use.
type Engine struct {
	ops        []*Op // Ops, which methods can't refer to because it refers to them
	db         *store.DB
	vault      *vault.Vault
	events     *events.Log   // nil for none
	analytics  *query.Engine // of events; nil without
	queryQuota *queryQuota
	limiter    ratelimit.Limiter
	nodes      nodes
	readOnly   atomic.Bool // the database accepts no changes
	source     *coherence.Source
	credits    *storeCredits
	keys       *coherence.Cache[keyRef, *keySnapshot]
	locations  interner[keyLocation]
	roots      *coherence.Cache[keyHash, *rootKey]
	spaces     *coherence.Cache[namespaceRef, *namespace]
	queries    *rbac.Parser
	used       usage
	misses     *misses
	zones      sync.Map // *time.Location by name, for budgets
	adopter    *adopter // nil if unknown keys are not adopted
	refusals   *refusals
	hooks      hooks
	time       func() time.Time
	log        *slog.Logger

	around         Surroundings
	startedAt      time.Time
	limits         Limits
	auditRetention time.Duration // 0 is for ever
	auditExport    auditExport
	chain          auditChain
	portalPage     string // "" for the default

	recordsKey    atomic.Pointer[dataKey] // of new idempotency records
	resealPending atomic.Int64            // values under retired data keys

	metrics

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open starts an engine on the database cfg.DB: it creates missing data keys,
// loads the saved rate-limit counters and starts the background jobs. A vault
// whose master key doesn't match the database returns vault.ErrUnknownMaster.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	e := &Engine{
		ops:    Ops,
		db:     cfg.DB,
		vault:  cfg.Vault,
		events: cfg.Events,
		source: &coherence.Source{
			Clock:    coherence.NewClock(cfg.DB.Shared()),
			Breaker:  coherence.NewBreaker(store.IsUnavailable, cfg.Log),
			StaleFor: cfg.StaleFor,
		},
		queries:    rbac.NewParser(),
		misses:     newMisses(),
		queryQuota: newQueryQuota(),
		refusals:   newRefusals(),
		time:       cfg.Now,
		log:        cfg.Log,
		metrics:    newMetrics(),

		around: cfg.Around, startedAt: time.Now(), limits: cfg.Limits,
		auditRetention: cfg.AuditRetention,
		portalPage:     cfg.PortalURL,
	}
	e.hooks.open(cfg.WebhookNetworks)
	if e.events != nil {
		if e.analytics, err = query.New(e.events); err != nil {
			return nil, fmt.Errorf("engine: %w", err)
		}
	}
	if e.auditExport, err = openAuditExport(cfg.AuditExport); err != nil {
		return nil, err
	}
	e.credits = &storeCredits{e.db, e.source.Breaker}
	if e.time == nil {
		e.time = time.Now
	}
	e.keys = coherence.NewCache(e.source, cfg.CacheBytes, maxCachedKey(cfg.CacheBytes), weighKey)
	e.roots = coherence.NewCache(e.source, 32<<20, 1<<20, weighRootKey)
	e.spaces = coherence.NewCache(e.source, 64<<20, 1<<20, weighNamespace)
	if err := e.prepare(ctx, cfg); err != nil {
		e.closeCaches()
		return nil, fmt.Errorf("engine: %w", err)
	}
	e.startJobs()
	return e, nil
}

// maxCachedKey is the size in bytes from which a cache of that size doesn't keep a key:
// a thousandth, but never less than an ordinary key needs.
func maxCachedKey(cacheBytes uint64) uint32 {
	const ordinary = 16 << 10
	return uint32(min(max(cacheBytes/1000, ordinary), math.MaxUint32))
}

// Close stops the background jobs, saves what is only in memory and deregisters
// the node. It waits at most three seconds for a shared database that doesn't
// respond; the other nodes notice the missing heartbeats.
func (e *Engine) Close(ctx context.Context) error {
	const timeout = 3 * time.Second
	e.stop()
	e.done.Wait()
	e.closeCaches()
	e.hooks.sender.Close()
	if e.db.Shared() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return errors.Join(e.limiter.Close(ctx), e.saveUsage(ctx), e.deregister(ctx))
}

func (e *Engine) closeCaches() {
	e.keys.Close()
	e.roots.Close()
	e.spaces.Close()
}

// prepare gets the engine ready to serve requests. The first heartbeat comes
// last, when nothing else can fail.
func (e *Engine) prepare(ctx context.Context, cfg Config) error {
	var err error
	if e.adopter, err = e.openAdopter(ctx, cfg.Adopt); err != nil {
		return err
	}
	if err = e.refreshRecordsKey(ctx); err != nil {
		return err
	}
	// another node with another master key was first
	if _, _, err := e.vault.Rewrap(e.recordsKey.Load().wrapped); err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	if e.limiter, err = e.openLimiter(ctx, cfg); err != nil {
		return err
	}
	if !e.db.Shared() {
		return nil
	}
	if err := e.heartbeat(ctx); err != nil {
		return errors.Join(err, e.limiter.Close(ctx))
	}
	return nil
}

// now is the time in unix milliseconds.
func (e *Engine) now() int64 { return e.time().UnixMilli() }
