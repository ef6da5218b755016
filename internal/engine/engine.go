// Package engine does what the operations of the API do. Each operation is one
// method of [Engine] that takes the caller and a request that has passed its
// checks and returns the answer or a *latchkey.Error; [Ops] lists them all. The
// engine owns authorisation, the rules of the API and the caches; rows, windows,
// queries and encryption are its leaves.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// Config is what an engine is made of.
type Config struct {
	DB         *store.DB        // the rows; the engine does not close it
	Vault      *vault.Vault     // seals recoverable keys
	Now        func() time.Time // the clock, time.Now by default
	Log        *slog.Logger     // what went wrong, slog.Default by default
	CacheBytes uint64           // room for cached keys, 256 MiB by default

	Redis    string        // the URL of the Redis or Valkey that counts for all nodes; none by default
	Limits   Limits        // what is promised of rate limits, Exact by default
	FailMode FailMode      // what happens while a shared database is gone, Closed by default
	StaleFor time.Duration // with Stale: for how long at most, a minute by default
}

// Engine runs the operations. It is safe for concurrent use.
type Engine struct {
	ops       []*Op // all of them; a method that read Ops would be bound by what it reads
	db        *store.DB
	vault     *vault.Vault
	limiter   ratelimit.Limiter
	nodes     nodes
	source    *coherence.Source
	credits   *storeCredits
	keys      *coherence.Cache[keyHash, *keySnapshot]
	locations interner[keyLocation]
	roots     *coherence.Cache[keyHash, *rootKey]
	spaces    *coherence.Cache[namespaceRef, *namespace]
	queries   *rbac.Parser
	used      usage
	time      func() time.Time
	log       *slog.Logger

	recordsKey []byte // the wrapped data key of kept answers

	metrics

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open starts an engine on the rows of cfg.DB: it makes the data keys that it
// needs where there are none, takes up the saved rate-limit windows and begins
// its background work. A vault that doesn't open the rows is refused with
// vault.ErrUnknownMaster.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	e := &Engine{
		ops:   Ops,
		db:    cfg.DB,
		vault: cfg.Vault,
		source: &coherence.Source{
			Clock:    coherence.NewClock(cfg.DB.Shared()),
			Breaker:  coherence.NewBreaker(store.IsUnavailable, cfg.Log),
			StaleFor: cfg.StaleFor,
		},
		queries: rbac.NewParser(),
		time:    cfg.Now,
		log:     cfg.Log,
		metrics: newMetrics(),
	}
	e.credits = &storeCredits{e.db, e.source.Breaker}
	if e.time == nil {
		e.time = time.Now
	}
	e.keys = coherence.NewCache(e.source, cfg.CacheBytes, weighKey)
	e.roots = coherence.NewCache(e.source, 16<<20, weighRootKey)
	e.spaces = coherence.NewCache(e.source, 64<<20, weighNamespace)
	if err := e.prepare(ctx, cfg); err != nil {
		e.closeCaches()
		return nil, fmt.Errorf("engine: %w", err)
	}
	e.startJobs()
	return e, nil
}

// Close ends the background work, saves what is only in memory and takes the
// node out of the list of those that run. A shared database that doesn't answer
// is not waited for longer than farewell; the other nodes find out by themselves.
func (e *Engine) Close(ctx context.Context) error {
	const timeout = 3 * time.Second
	e.stop()
	e.done.Wait()
	e.closeCaches()
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

// prepare brings the engine to where requests can be served. A node says that it
// runs only when nothing else can keep it from that.
func (e *Engine) prepare(ctx context.Context, cfg Config) error {
	var err error
	if e.recordsKey, err = e.dataKey(ctx, "answers"); err != nil {
		return err
	}
	if _, _, err := e.vault.Rewrap(e.recordsKey); err != nil { // another node with another master key was first
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
