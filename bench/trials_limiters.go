package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-limiter/memorystore"
)

// limiterTrials compares a rate-limit decision with those of libraries.
func limiterTrials() trial {
	return trial{
		id: "limiters", title: "Limiters in process",
		about: "The decision alone, without an API: one goroutine, one identifier, then random " +
			"ones of 100,000. go-limiter is sethvargo/go-limiter with its memory store (token " +
			"bucket). " +
			"redis_rate is go-redis/redis_rate (GCRA), which calls Redis for each decision.",
		sides: []side{
			inProcess("go-limiter, one identifier", 1, goLimiter(1)),
			inProcess("Latchkey, one identifier", 1, ownLimiter(1)),
			inProcess("go-limiter, 100,000", 1, goLimiter(identifiers)),
			inProcess("Latchkey, 100,000", 1, ownLimiter(identifiers)),
			{name: "redis_rate, one identifier", optional: true,
				open: inProcess("", 1, redisRate).open},
		},
	}
}

// names returns a function that returns a random one of n identifiers.
func names(n int) func() string {
	all := make([]string, n)
	for i := range all {
		all[i] = "user_" + load.Number(i)
	}
	return func() string { return all[rand.IntN(n)] }
}

func ownLimiter(n int) func(*env) (call, error) {
	return func(*env) (call, error) {
		m, name := ratelimit.NewMemory(), names(n)
		return func(ctx context.Context) error {
			key := ratelimit.Key{Workspace: "ws", Namespace: "measured", Identifier: name(),
				Duration: time.Hour.Milliseconds()}
			d, err := m.TakeOne(ctx, time.Now().UnixMilli(),
				ratelimit.Request{Key: key, Limit: unlimited, Cost: 1})
			return deniedUnless(err == nil && d.Passed, err)
		}, nil
	}
}

func goLimiter(n int) func(*env) (call, error) {
	return func(e *env) (call, error) {
		store, err := memorystore.New(&memorystore.Config{Tokens: unlimited, Interval: time.Hour})
		if err != nil {
			return nil, err
		}
		e.onClose(func() error { return store.Close(context.Background()) })
		name := names(n)
		return func(ctx context.Context) error {
			_, _, _, ok, err := store.Take(ctx, name())
			return deniedUnless(ok, err)
		}, nil
	}
}

func redisRate(e *env) (call, error) {
	server, err := e.redis()
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: server.addr})
	e.onClose(client.Close)
	limiter, limit := redis_rate.NewLimiter(client), redis_rate.PerHour(1_000_000_000)
	return func(ctx context.Context) error {
		r, err := limiter.Allow(ctx, "user", limit)
		return deniedUnless(err == nil && r.Allowed == 1, err)
	}, nil
}
