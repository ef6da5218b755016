package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
	"github.com/latchkeyhq/latchkey/bench/report"
)

// keyPool is a data folder with many keys of one API.
type keyPool struct {
	data, program string
	fixture
	keys int
}

// keyPool creates a data folder with this number of keys, once per run.
func (e *env) keyPool(keys int) (*keyPool, error) {
	return once(e, fmt.Sprintf("pool %d", keys), func() (*keyPool, error) {
		program, err := e.build()
		if err != nil {
			return nil, err
		}
		data, err := e.folder("pool")
		if err != nil {
			return nil, err
		}
		p := &keyPool{data: data, program: program, keys: keys}
		ctx := context.Background()
		if err := p.createTemplate(ctx); err != nil {
			return nil, err
		}
		e.logf("  creating %d keys", keys)
		return p, copyKeys(ctx, data, p.api, keys)
	})
}

// createTemplate creates the API and the key that is copied.
func (p *keyPool) createTemplate(ctx context.Context) error {
	n, err := serve(p.program, p.data)
	if err != nil {
		return err
	}
	client, err := latchkey.New(latchkey.Config{BaseURL: "http://" + n.addr, RootKey: n.rootKey})
	if err != nil {
		return errors.Join(err, n.Stop())
	}
	p.root = n.rootKey
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "many"})
	if err == nil {
		p.api = api.APIID
		_, err = client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: p.api})
	}
	return errors.Join(err, n.Stop())
}

// serve starts Latchkey on the pool, once per run.
func (p *keyPool) serve(e *env) (node, error) {
	return once(e, "server on "+p.data, func() (node, error) {
		n, err := serve(p.program, p.data)
		if err == nil {
			e.onClose(n.Stop)
		}
		return n, err
	})
}

// verifyAny verifies random keys of the first n.
func (p *keyPool) verifyAny(n int) load.Source {
	return load.Numbered(p.verify(bulkKey(load.Digits), ""), n)
}

// pageSize is the number of keys per page.
const pageSize = 100

// page returns a request for the page of keys that starts at number from.
func (p *keyPool) page(from int) *load.Request {
	return load.Post("/v2/apis.listKeys", p.root,
		`{"apiId":"`+p.api+`","limit":`+strconv.Itoa(pageSize)+`,"cursor":"`+bulkID(
			load.Number(from))+`"}`, bulkID(load.Number(from)))
}

// smallPool and largePool are the compared sizes. A smoke test uses fewer keys.
const smallPool = 1000

func (e *env) largePool() int {
	if e.quick {
		return 20_000
	}
	return 1_000_000
}

// poolSide returns a side that sends requests to a pool over 32 connections.
func poolSide(name string, keys func(*env) int, source func(*keyPool) load.Source) side {
	return side{name: name, open: func(e *env) (runner, error) {
		p, err := e.keyPool(keys(e))
		if err != nil {
			return runner{}, err
		}
		n, err := p.serve(e)
		if err != nil {
			return runner{}, err
		}
		return httpTarget(source(p), []int{n.PID()}, n.addr).closed(32)
	}}
}

func smallPoolKeys(*env) int { return smallPool }

// growthTrials measure the cost of more data.
func growthTrials() []trial {
	hotSet := func(p *keyPool) load.Source { return p.verifyAny(smallPool) }
	pageAt := func(share float64) func(*keyPool) load.Source {
		return func(p *keyPool) load.Source {
			return load.Same(p.page(int(share * float64(p.keys-pageSize))))
		}
	}
	return []trial{{
		id: "start", title: "Time from start to ready",
		about: "The time until /health/ready returns 200, on a data folder with this number of " +
			"keys.",
		sides: []side{startSide("1,000 keys", smallPoolKeys),
			startSide("1,000,000 keys", (*env).largePool)},
	}, {
		id: "memory", title: "Memory of cached keys",
		about: "A new process verifies 1,000 keys thirty times, and then each of 50,000 other " +
			"keys once. The growth of its resident memory is divided by the number of keys. " +
			"It includes the memory that garbage collection needs for them.",
		sides: []side{{name: "1,000,000 keys", open: (*env).measureCachedKeys}},
	}, {
		id: "growth", title: "Verification as data grows",
		about: "Closed loop, 32 connections, random keys of a thousand, in a pool of a thousand " +
			"and of a million. \"all\" uses random keys of the whole million, many of which are " +
			"not cached.",
		sides: []side{
			poolSide("of 1,000 keys", smallPoolKeys, hotSet),
			poolSide("of 1,000,000 keys", (*env).largePool, hotSet),
			poolSide("all 1,000,000 keys", (*env).largePool,
				func(p *keyPool) load.Source { return p.verifyAny(p.keys) }),
		},
	}, {
		id: "pages", title: "Listing a million keys",
		about: "Closed loop, 32 connections, pages of 100 keys.",
		sides: []side{
			poolSide("first page", (*env).largePool, pageAt(0)),
			poolSide("middle page", (*env).largePool, pageAt(0.5)),
			poolSide("last page", (*env).largePool, pageAt(1)),
			poolSide("first page of 1,000 keys", smallPoolKeys, pageAt(0)),
		},
	}}
}

// startSide measures the time from start to ready.
func startSide(name string, keys func(*env) int) side {
	return side{name: name, open: func(e *env) (runner, error) {
		p, err := e.keyPool(keys(e))
		return runner{run: func(time.Duration) (report.Metrics, error) {
			began := time.Now()
			n, err := serve(p.program, p.data)
			if err != nil {
				return nil, err
			}
			took := time.Since(began)
			return report.Metrics{report.Ready: float64(took) / float64(time.Millisecond)}, n.Stop()
		}}, err
	}}
}

// measureCachedKeys measures the memory of a cached key.
func (e *env) measureCachedKeys() (runner, error) {
	p, err := e.keyPool(e.largePool())
	return runner{run: func(time.Duration) (report.Metrics, error) {
		n, err := serve(p.program, p.data)
		if err != nil {
			return nil, err
		}
		grown, err := p.fillCache(n, min(p.keys-smallPool, 50_000))
		return report.Metrics{report.BytesOfKey: grown}, errors.Join(err, n.Stop())
	}}, err
}

// fillCache verifies each key once and returns the growth of the process in bytes per key.
func (p *keyPool) fillCache(n node, keys int) (float64, error) {
	for range 30 { // until garbage fills the reserve of a small heap
		if err := p.verifyEach(n, 0, smallPool); err != nil {
			return 0, err
		}
	}
	before, err := proc.RSS(n.PID())
	if err != nil {
		return 0, err
	}
	if err := p.verifyEach(n, smallPool, smallPool+keys); err != nil {
		return 0, err
	}
	after, err := proc.RSS(n.PID())
	return float64(after-before) / float64(keys), err
}

// verifyEach verifies the keys with the numbers from up to to, one after another.
func (p *keyPool) verifyEach(n node, from, to int) error {
	next := from
	conn, err := load.DialHTTP(n.addr, func() *load.Request {
		r := p.verify(bulkKey(load.Number(next)), "")
		next++
		return r
	})
	if err != nil {
		return err
	}
	for next < to {
		if _, err := conn.Do(); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	return conn.Close()
}
