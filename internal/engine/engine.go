// Package engine does what the operations of the API do. Each operation is one
// method of [Engine] that takes the caller and a request that has passed its
// checks and returns the answer or a *latchkey.Error; [Ops] lists them all. The
// engine owns authorisation, the rules of the API and the caches; rows, windows,
// queries and encryption are its leaves.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
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
	ops     []*Op // all of them; a method that read Ops would be bound by what it reads
	db      *store.DB
	vault   *vault.Vault
	limiter ratelimit.Limiter
	nodes   nodes
	source  *coherence.Source
	till    *till
	keys    *coherence.Cache[keyHash, *keySnapshot]
	homes   common[home]
	roots   *coherence.Cache[keyHash, *rootKey]
	spaces  *coherence.Cache[spaceName, *namespace]
	queries *rbac.Parser
	used    usage
	time    func() time.Time
	log     *slog.Logger

	answersKey []byte // the wrapped data key of kept answers

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
	e.till = &till{e.db, e.source.Breaker}
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
	const farewell = 3 * time.Second
	e.stop()
	e.done.Wait()
	e.closeCaches()
	if e.db.Shared() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, farewell)
		defer cancel()
	}
	return errors.Join(e.limiter.Close(ctx), e.saveUsage(ctx), e.leave(ctx))
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
	if e.answersKey, err = e.dataKey(ctx, "answers"); err != nil {
		return err
	}
	if _, _, err := e.vault.Rewrap(e.answersKey); err != nil { // another node with another master key was first
		return fmt.Errorf("master key: %w", err)
	}
	if e.limiter, err = e.openLimiter(ctx, cfg); err != nil {
		return err
	}
	if !e.db.Shared() {
		return nil
	}
	if err := e.beat(ctx); err != nil {
		return errors.Join(err, e.limiter.Close(ctx))
	}
	return nil
}

// dataKey returns the wrapped data key of that name, made at first use.
func (e *Engine) dataKey(ctx context.Context, id string) ([]byte, error) {
	wrapped, err := e.db.DataKey(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return wrapped, err
	}
	err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		wrapped, err = e.dataKeyIn(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wrapped, nil
}

// dataKeyIn is dataKey inside a transaction.
func (e *Engine) dataKeyIn(ctx context.Context, tx *store.Tx, id string) ([]byte, error) {
	wrapped, err := tx.DataKey(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return wrapped, err
	}
	if wrapped, err = e.vault.NewDataKey(); err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	if err := tx.InsertDataKey(ctx, id, wrapped); err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	return wrapped, nil
}

// FirstRootKey makes the first workspace and the operator's root key where
// there is no workspace yet, and returns the root key, or "" if there was one.
// Of several nodes that start together one makes them. It gives the root key to
// keep before it counts: a root key that couldn't be kept, or was lost in a
// crash, has never existed and is made again. Keep may be called more than once;
// the last root key that it was given is the one, and "" says that none of them is.
func (e *Engine) FirstRootKey(ctx context.Context, keep func(rootKey string) error) (string, error) {
	if n, err := e.db.CountWorkspaces(ctx); err != nil || n > 0 {
		return "", err
	}
	kept := false
	workspace := NewID("ws")
	made, err := change(ctx, e, e.system(workspace), func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		if n, err := c.tx.CountWorkspaces(ctx); err != nil || n > 0 {
			return latchkey.CreatedRootKey{}, err
		}
		if err := c.insertWorkspace(ctx, workspace, "default", sql.NullInt64{}); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		made, err := c.insertRootKey(ctx, workspace, "operator", []string{rbac.Operator}, sql.NullInt64{})
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		kept = true
		if err := keep(made.Key); err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		return made, nil
	})
	if err != nil {
		return "", err
	}
	if kept && made.Key == "" {
		return "", keep("")
	}
	return made.Key, nil
}

// now is the time in unix milliseconds.
func (e *Engine) now() int64 { return e.time().UnixMilli() }

// orElse returns the value of a column, or def where it is NULL.
func orElse(n sql.NullInt64, def int64) int64 {
	if n.Valid {
		return n.Int64
	}
	return def
}

// nullable makes a column of an optional value.
func nullable(o latchkey.Opt[int64]) sql.NullInt64 {
	v, ok := o.Get()
	return sql.NullInt64{Int64: v, Valid: ok}
}

// nullableTime makes a column of an optional time: the zero time is NULL.
func nullableTime(t latchkey.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

// timeOf makes a time of a column in which 0 means none.
func timeOf(ms int64) latchkey.Time {
	if ms == 0 {
		return latchkey.Time{}
	}
	return latchkey.AtMilli(ms)
}
