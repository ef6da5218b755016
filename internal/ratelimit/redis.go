package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// roundTripTimeout bounds a call to Redis. After that the shared counters are
	// out of reach.
	roundTripTimeout = 250 * time.Millisecond
	// probeInterval is how often it is tried whether they are back.
	probeInterval = 100 * time.Millisecond
	// reportInterval is how often what was admitted locally is reported.
	reportInterval = 50 * time.Millisecond
	// callsAtOnce bounds the calls under way, so that none waits in a queue of
	// the client, where it could not be given up. The queue holds twice as many.
	callsAtOnce = 512
	// sentinelEvery is how often sentinels are asked who the master is, in case
	// that their message about a change was missed.
	sentinelEvery = 5 * time.Second
)

// RedisConfig is what a Redis is made of.
type RedisConfig struct {
	// URL names the server: redis://user:password@host:port/database, with
	// rediss for TLS, and unix:// for a socket. Several addresses of a cluster
	// are separated by commas or added as ?addr=host:port. With
	// ?master_set=name the addresses are those of sentinels.
	URL string
	// Fast decides locally where it can.
	Fast bool
	// Nodes returns how many nodes share the counters now, this one included.
	// It is called often. Nil stands for one node.
	Nodes func() int
	// OwnClock counts by the time of the Redis server in place of the callers',
	// so that nodes whose clocks differ count in the same windows.
	OwnClock bool
	// Store is swept of what another kind of Limiter once left there. Nil stands
	// for none.
	Store Store
	// Now returns the time by which the Store is swept, in unix milliseconds.
	Now func() int64
	// Log receives when the counters go out of reach and come back. Nil stands for
	// no log.
	Log *slog.Logger

	// roundTripTimeout is 250 ms by default; tests that are not about it have more,
	// for machines that stall.
	roundTripTimeout time.Duration
}

// Redis is the Limiter of nodes that share counters in Redis or Valkey. It
// decides as Memory does, with two differences: the requests of a batch are
// of one workspace, and limits above 2^53-1 are taken for that, while costs above
// it never fit.
//
// Exact, the default, makes one call to Redis for each batch and is exact over
// all nodes. A node remembers of each counter in use what it last heard of it, in
// some 200 bytes until a minute after that stops to matter.
//
// Fast decides by itself what fits this node's share of what is left: with heard,
// the shared count as this node last heard it, and own, what it has admitted
// since and not reported, it admits a cost at once while
//
//	own + cost ≤ floor((limit − heard) / nodes)
//
// refuses at once what does not fit heard + own, and asks Redis about the rest.
// What was admitted is reported each 50 ms, or with the next question about the
// same counter.
//
// So what fast mode admits above a limit, at any time, is at most
//
//	(nodes − 1) / nodes × limit
//
// and never more than the other nodes have admitted since they last reported: at
// most 50 ms and the time of a call, times their rate. The gauge
// latchkey_ratelimit_unreported is what a node contributes to it right now. The
// proof for one window: S is the shared count. What node i has not reported is at
// most (limit − H) / nodes, H being what it heard at its exchange before the last,
// because it admits against what it knew. Take the time when S was last at most
// limit. Where the last exchange of all was a question, S was at most limit after
// it, the asking node had nothing unreported, and the others have at most
// limit / nodes each. Otherwise let node m be the one whose exchange before the
// last was the latest of all, and let it have heard S'. All that came after it
// are one last report of each node and what it admitted meanwhile, together at
// most limit / nodes for each but m and (limit − S') / nodes for m. The sum is
// limit + S' × (nodes − 1) / nodes, and S' is at most limit. Who hears of more
// than the limit admits nothing more. What the window before carries over counts
// in S, and the parts of it that nodes have not reported are rounded up. In a token
// bucket, which gains tokens all the time, limit stands for the burst; what a node
// admits on a bucket by one limit it reports before it admits by another.
//
// # Redis out of reach
//
// A call that fails or has no answer after 250 ms opens the breaker. From then on
// calls are decided at once: by the rule above where it admits, and refused where
// it doesn't, so that the calls that a node admits alone in a window that begins
// meanwhile, or of the tokens that a bucket gains, are an even share. Requests with Refuse are
// refused. A probe each 100 ms closes the breaker. Before a counter is decided by Redis again, what
// this node has admitted on it is added there, in the same call; and right after the breaker
// closes, everything is reported in the background.
//
// What can be admitted above a limit in such a time, in both modes:
//
//   - Redis keeps its memory: (nodes − 1) / nodes × limit, of what other nodes
//     admitted since a node last heard, and nothing in a window that begins after
//     all nodes have lost Redis. While nodes see different numbers of nodes, the
//     smallest one counts.
//   - Redis loses its memory, because it keeps nothing on disk: beside that, at
//     most the limit. Every call tells Redis what its node has heard, and lost
//     counts are raised to it; but other nodes can be admitted before the node
//     that has heard the most calls or reports, which it does right after its
//     breaker closes. What an earlier node had yet to report may be taken for a
//     part of what was lost. If the node that has heard the most is gone as well,
//     what only it knew is forgiven.
//   - A node dies: what it had not reported, at most limit / nodes.
//
// A call that Redis executed although its answer came too late is counted there
// and decided again locally: too strict, never too generous.
type Redis struct {
	cfg     RedisConfig
	client  rueidis.Client
	calls   chan struct{} // holds one for each call under way
	table   *table[tally] // a mark stands for something to report
	metrics *redisMetrics

	ahead  atomic.Int64 // how far Redis's clock is ahead of ours, in milliseconds
	latest atomic.Int64 // the time of the last call, unix milliseconds
	down   atomic.Bool  // the breaker is open
	probed atomic.Value // string: the key that the probe writes

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ Limiter = (*Redis)(nil)

// OpenRedis connects to Redis and counts there until it is closed. A server that
// can't be reached is an error: a node is to begin with knowing the counts.
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
	r.metrics = newRedisMetrics(r)
	if _, _, err := r.run(ctx, 0, batch{}, &exchange{}); err != nil {
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

// Close reports what was admitted locally, unless Redis is out of reach, and
// disconnects. No call may be under way. It returns no error.
func (r *Redis) Close(context.Context) error {
	r.cancel()
	r.done.Wait()
	if !r.down.Load() {
		r.report(context.Background(), r.owing())
	}
	r.client.Close()
	return nil
}

var errWorkspaces = errors.New("rate limits: a batch must be of one workspace")

// Take decides the requests as Limiter says. Its only errors are that of ctx, and
// one for a batch of several workspaces.
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

// TakeOne is Take for a batch of one, which allocates nothing where it is decided
// locally.
func (r *Redis) TakeOne(ctx context.Context, now int64, q Request) (Decision, error) {
	if degraded := r.down.Load(); degraded || r.cfg.Fast {
		if d, sure := r.decideOne(r.clock(now), strict(q), degraded); sure {
			r.metrics.local(degraded)
			return d, nil
		}
	}
	decisions, err := r.Take(ctx, now, []Request{q})
	if err != nil {
		return Decision{}, err
	}
	return decisions[0], nil
}

// take decides a batch locally where that is sure, and asks Redis where it isn't.
func (r *Redis) take(ctx context.Context, now int64, b batch) ([]Decision, error) {
	patient, cancel := context.WithTimeout(ctx, r.cfg.roundTripTimeout)
	defer cancel()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		degraded := r.down.Load() || patient.Err() != nil
		if degraded || r.cfg.Fast {
			if decisions, sure := r.decide(now, b, degraded); sure {
				r.metrics.local(degraded)
				return decisions, nil
			}
		}
		decisions, busy, err := r.ask(patient, now, b)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case busy != nil:
			wait(patient, busy)
		case err != nil:
			r.lost(err, b.counters[0].Workspace)
			cancel() // the next turn decides locally even if the breaker closes at this moment
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

// clock returns the time to decide by, within what the script holds.
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
