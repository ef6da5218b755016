package cluster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// balancer forwards requests to nodes that were ready at the last check. It never retries, so the
// client
// sees every request that a node drops.
type balancer struct {
	http.Handler
	nodes   []*node
	up      []atomic.Bool
	counter atomic.Uint64
}

// balance starts a balancer that checks the readiness of each node every interval.
func balance(t *testing.T, nodes []*node, interval time.Duration) *httptest.Server {
	t.Helper()
	b := &balancer{nodes: nodes, up: make([]atomic.Bool, len(nodes))}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Handler = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(b.next()) },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a request was dropped: %v", err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i, n := range nodes {
		b.up[i].Store(true)
		asking.Go(func() {
			for tick := time.NewTicker(interval); ctx.Err() == nil; <-tick.C {
				b.up[i].Store(n.ready())
			}
		})
	}
	server := httptest.NewServer(b)
	t.Cleanup(func() {
		server.Close()
		stop()
		asking.Wait()
		transport.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return server
}

// next returns the URL of the next ready node.
func (b *balancer) next() *url.URL {
	for range b.nodes {
		i := b.counter.Add(1) % uint64(len(b.nodes))
		if b.up[i].Load() {
			u, _ := url.Parse(b.nodes[i].URL) // valid: a node printed it
			return u
		}
	}
	return &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
}

// TestRollingRestartFailsNoRequest restarts every node, one after the other, behind a balancer that
// checks
// readiness, while clients verify, limit and change.
func TestRollingRestartFailsNoRequest(t *testing.T) {
	const interval = 50 * time.Millisecond
	c := start(t, settings{
		nodes: 3, database: testenv.Postgres(t), redis: testenv.Redis(t),
		flags: []string{"--drain-delay", "300ms"},
	})
	front := connect(t, balance(t, c.nodes, interval).URL, c.operator(t))
	key := newKey(t, c.Client, latchkey.CreateKeyRequest{Credits: credits(1 << 40)})
	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				sent.Add(1)
				if err := oneOf(t, front, key, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, n := range c.nodes {
		time.Sleep(4 * interval)
		n.signal(syscall.SIGTERM)
		if err := n.wait(); err != nil {
			t.Errorf("a node exited with %v: %s", err, n.log)
		}
		n.start(t)
		for !n.ready() {
			time.Sleep(interval)
		}
	}
	time.Sleep(4 * interval)
	stop()
	all.Wait()
	t.Logf("%d requests during three restarts", sent.Load())
}

// oneOf sends the i-th of a mix of requests.
func oneOf(t *testing.T, c *latchkey.Client, key latchkey.CreatedKey, i int) error {
	ctx := t.Context()
	switch i % 10 {
	case 0:
		return c.Keys.Update(ctx, latchkey.UpdateKeyRequest{KeyID: key.KeyID,
			Name: latchkey.Set(name("key"))})
	case 1, 2:
		_, err := c.Ratelimits.Limit(ctx,
			latchkey.LimitRequest{Namespace: "rolling", Identifier: "all", Limit: 1 << 40,
				Duration: month})
		return err
	}
	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
	if err == nil && !v.Valid {
		return errors.New("verified as " + string(v.Code))
	}
	return err
}
