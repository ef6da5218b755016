package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// roundTripTimeout bounds a call to Redis. A slower call opens the breaker.
	roundTripTimeout = 250 * time.Millisecond
	// probeInterval is the time between probes while the breaker is open.
	probeInterval = 100 * time.Millisecond
	// reportInterval is the time between reports of what was admitted locally.
	reportInterval = 50 * time.Millisecond
	// callsAtOnce bounds the calls in flight, so that none waits in a queue of
	// the client, where it could not be canceled. The queue holds twice as many.
	callsAtOnce = 512
	// sentinelEvery is the time between polls of the sentinels for the current
	// master, in case their message about a change was lost.
	sentinelEvery = 5 * time.Second
)

// RedisConfig configures a Redis.
type RedisConfig struct {
	// URL names the server: redis://user:password@host:port/database, with
	// rediss for TLS, and unix:// for a socket. With TLS, ?ca=file names who signs
	// the server's certificate, and ?cert=file&key=file the client's. Several addresses of a cluster
	// are separated by commas or added as ?addr=host:port. With
	// ?master_set=name the addresses are those of sentinels.
	URL string
	// Fast decides locally where possible.
	Fast bool
	// Nodes returns the current number of nodes that share the counters, including
	// this one. It is called often. Nil means one node.
	Nodes func() int
	// OwnClock counts by the time of the Redis server in place of the callers',
	// so that nodes whose clocks differ count in the same windows.
	OwnClock bool
	// Store is swept of counters that another kind of Limiter left there. Nil means
	// no store.
	Store Store
	// Now returns the time by which the Store is swept, in unix milliseconds.
	Now func() int64
	// Log gets a record when the breaker opens and closes. Nil means no log.
	Log *slog.Logger

	// roundTripTimeout is 250 ms by default. Tests of other things set a longer one,
	// because test machines stall.
	roundTripTimeout time.Duration
}

// Redis is the Limiter of nodes that share counters in Redis or Valkey. It
// decides like Memory, with two differences: the requests of a batch must be
// of one workspace, and numbers are at most 2^53-1: larger limits count as that,
// and larger costs are always denied.
//
// Exact mode, the default, makes one call to Redis for each batch and is exact over
// all nodes. A node keeps the last state of each counter in use, in some 200 bytes,
// until a minute after the state expires.
//
// Fast mode decides locally what fits this node's share of what is left. With
// synced, the shared count as of the last response, and own, what the node has
// admitted since and not reported, it admits a cost at once while
//
//	own + cost ≤ floor((limit − synced) / nodes)
//
// It denies at once what does not fit synced + own, and asks Redis about the rest.
// It reports what it has admitted every 50 ms, or with the next call to Redis for
// the same counter.
//
// So what fast mode admits above a limit, at any time, is at most
//
//	(nodes − 1) / nodes × limit
//
// and never more than the other nodes have admitted since they last reported: at
// most 50 ms and the time of a call, times their rate. The gauge
// latchkey_ratelimit_unreported is a node's current contribution to it.
//
// The proof for one window: let S be the shared count. Node i has at most
// (limit − H) / nodes unreported, where H is the count it got at its last exchange
// but one, because it admits against its synced state. Take the time when S was last
// at most limit. If the last exchange of all was a question, S was at most limit
// after it, the asking node had nothing unreported, and the others have at most
// limit / nodes each. Otherwise let node m be the one whose last exchange but one
// was the latest of all, and S' the count it got. After it came only one last report
// of each node and what the node admitted meanwhile, together at most limit / nodes
// for each node except m and (limit − S') / nodes for m. The sum is
// limit + S' × (nodes − 1) / nodes, and S' is at most limit. A node whose synced
// count is above the limit admits nothing more. What the previous window carries
// over counts in S, and the unreported parts of it are rounded up. In a token bucket,
// which gains tokens all the time, limit means the burst; what a node admits on a
// bucket by one limit it reports before it admits by another.
//
// # While Redis is unreachable
//
// A call that fails or has no response after 250 ms opens the breaker. While it is
// open, calls are decided at once, by the rule above where it admits; all others are
// denied. So each node admits an even share of a window that begins meanwhile, and
// of the tokens that a bucket gains. Requests with Refuse are denied. A probe every
// 100 ms closes the breaker. In a cluster each workspace has a breaker, so that the
// others go on while one server is down. The first call to Redis for a counter also reports what
// this node has admitted on it; and right after the breaker closes, the node reports
// everything in the background.
//
// What can be admitted above a limit during an outage, in both modes:
//
//   - Redis keeps its data: (nodes − 1) / nodes × limit, of what other nodes
//     admitted since a node's last response, and nothing in a window that begins
//     after all nodes have lost Redis. While nodes see different numbers of nodes,
//     the smallest one counts.
//   - Redis loses its data, because it doesn't persist: in addition, at most the
//     limit. Every call sends the node's synced state, and Redis raises lost counts
//     to it; but other nodes can be admitted before the node with the latest state
//     calls or reports, which it does right after its breaker closes. What an
//     earlier node had not reported can be mistaken for a part of what was lost. If
//     the node with the latest state is gone too, the counts that only it had are
//     lost.
//   - A node dies: what it had not reported, at most limit / nodes.
//
// A call that Redis executed but whose response came too late is counted there
// and decided again locally: too strict, never too lenient.
type Redis struct {
	cfg     RedisConfig
	client  rueidis.Client
	calls   chan struct{} // holds one for each call in flight
	table   *table[tally] // an entry with something to report is marked
	metrics *redisMetrics

	ahead    atomic.Int64 // how far Redis's clock is ahead of ours, in milliseconds
	latest   atomic.Int64 // the time of the last call, unix milliseconds
	breakers breakers

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ Limiter = (*Redis)(nil)

// OpenRedis connects to Redis and counts there until it is closed. An unreachable
// server is an error, because a node must not start without the current counts.
func OpenRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	cfg.roundTripTimeout = cmp.Or(cfg.roundTripTimeout, roundTripTimeout)
	options, err := optionsOf(cfg.URL, cfg.roundTripTimeout)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, errors.Join(errOpen, err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Redis{
		cfg: cfg, client: client, calls: make(chan struct{}, callsAtOnce), table: newTable[tally](),
	}
	r.breakers.each = client.Mode() == rueidis.ClientModeCluster
	r.metrics = newRedisMetrics(r)
	_, _, err = r.run(ctx, 0, batch{}, &exchange{})
	if err == nil {
		err = r.write(ctx, "")
	}
	if refused, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(refused.Error(), "READONLY") {
		err = errors.New("the server is a replica; name the primary, or the sentinels with " +
			"?master_set=name")
	}
	if err != nil {
		client.Close()
		return nil, errors.Join(errOpen, err)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(r.background)
	if cfg.Store != nil {
		r.done.Go(func() { sweepStore(r.ctx, cfg.Store, cfg.Now, cfg.Log) })
	}
	return r, nil
}

// Close reports what was admitted locally, unless Redis is unreachable, and
// disconnects. There must be no call in flight. It returns no error.
func (r *Redis) Close(context.Context) error {
	r.cancel()
	r.done.Wait()
	r.report(context.Background(), r.unreportedCounters())
	r.client.Close()
	return nil
}

// Reachable reports whether all shared counters are reachable.
func (r *Redis) Reachable() bool { return r.breakers.n.Load() == 0 }

var errWorkspaces = errors.New("rate limits: a batch must be of one workspace")

// Take decides the requests as Limiter says. It returns an error only from ctx, and
// for a batch of several workspaces.
func (r *Redis) Take(ctx context.Context, now int64, requests []Request) ([]Decision, error) {
	stricter := make([]Request, len(requests))
	for i := range requests {
		stricter[i] = strict(requests[i])
		if requests[i].Workspace != requests[0].Workspace {
			return nil, errWorkspaces
		}
	}
	if len(requests) == 0 {
		return []Decision{}, nil
	}
	return r.take(ctx, r.clock(now), r.table.batch(stricter))
}

// TakeOne is Take for a batch of one. It does not allocate if it decides locally.
func (r *Redis) TakeOne(ctx context.Context, now int64, q Request) (Decision, error) {
	if degraded := r.breakers.isOpen(q.Workspace); degraded || r.cfg.Fast {
		if d, sure := r.decideOne(r.clock(now), strict(q), degraded); sure {
			r.metrics.countLocal(degraded)
			return d, nil
		}
	}
	decisions, err := r.Take(ctx, now, []Request{q})
	if err != nil {
		return Decision{}, err
	}
	return decisions[0], nil
}

// take decides a batch locally if that is sure, and otherwise asks Redis.
func (r *Redis) take(ctx context.Context, now int64, b batch) ([]Decision, error) {
	bounded, cancel := context.WithTimeout(ctx, r.cfg.roundTripTimeout)
	defer cancel()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		degraded := r.breakers.isOpen(b.counters[0].Workspace) || bounded.Err() != nil
		if degraded || r.cfg.Fast {
			if decisions, sure := r.decide(now, b, degraded); sure {
				r.metrics.countLocal(degraded)
				return decisions, nil
			}
		}
		decisions, busy, err := r.ask(bounded, now, b)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case busy != nil:
			wait(bounded, busy)
		case notNow(err):
			if pause(bounded); bounded.Err() != nil && !moving(err) {
				r.lost(err, b.counters)
			}
		case err != nil:
			r.lost(err, b.counters)
			cancel() // decide locally even if the breaker closes at this moment
		default:
			r.metrics.shared.Inc()
			return decisions, nil
		}
	}
}

func wait(ctx context.Context, busy <-chan struct{}) {
	select {
	case <-busy:
	case <-ctx.Done():
	}
}

func (r *Redis) nodes() int {
	if r.cfg.Nodes == nil {
		return 1
	}
	return max(r.cfg.Nodes(), 1)
}

// clock returns the time to decide by, within the numbers of the script.
func (r *Redis) clock(now int64) int64 {
	now = min(max(now, 0), exact-2)
	if r.cfg.OwnClock {
		now = min(max(now+r.ahead.Load(), 0), exact-2)
	}
	if r.latest.Load() != now {
		r.latest.Store(now)
	}
	return now
}
