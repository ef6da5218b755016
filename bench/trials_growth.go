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

// pool is a data folder with many keys of one API.
type pool struct {
	data, program string
	world
	keys int
}

// pool makes a data folder with so many keys, once a run.
func (e *env) pool(keys int) (*pool, error) {
	return once(e, fmt.Sprintf("pool %d", keys), func() (*pool, error) {
		program, err := e.build()
		if err != nil {
			return nil, err
		}
		data, err := e.folder("pool")
		if err != nil {
			return nil, err
		}
		p := &pool{data: data, program: program, keys: keys}
		ctx := context.Background()
		if err := p.begin(ctx); err != nil {
			return nil, err
		}
		e.say("  making %d keys", keys)
		return p, multiply(ctx, data, p.api, keys)
	})
}

// begin makes the API and the key that is copied.
func (p *pool) begin(ctx context.Context) error {
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

// serve starts Latchkey on the pool, once a run.
func (p *pool) serve(e *env) (node, error) {
	return once(e, "server on "+p.data, func() (node, error) {
		n, err := serve(p.program, p.data)
		if err == nil {
			e.defers(n.Stop)
		}
		return n, err
	})
}

// verifyAny verifies a key of the first n.
func (p *pool) verifyAny(n int) load.Source {
	return load.Numbered(p.verify(bulkKey(load.Digits), ""), n)
}

// pageSize is how many keys a page holds.
const pageSize = 100

// page asks for the page of keys that begins at a key's number.
func (p *pool) page(from int) *load.Request {
	return load.Post("/v2/apis.listKeys", p.root, `{"apiId":"`+p.api+`","limit":`+strconv.Itoa(pageSize)+`,"cursor":"`+bulkID(load.Number(from))+`"}`, bulkID(load.Number(from)))
}

// few and most are the sizes that are compared; a smoke test makes do with less.
const few = 1000

func (e *env) most() int {
	if e.quick {
		return 20_000
	}
	return 1_000_000
}

// fromPool makes a side of what a pool is sent by 32 connections.
func fromPool(name string, keys func(*env) int, source func(*pool) load.Source) side {
	return side{name: name, open: func(e *env) (turn, error) {
		p, err := e.pool(keys(e))
		if err != nil {
			return turn{}, err
		}
		n, err := p.serve(e)
		if err != nil {
			return turn{}, err
		}
		return overHTTP(source(p), []int{n.PID()}, n.addr).closed(32)
	}}
}

func fewKeys(*env) int { return few }

// growing measures what more data costs.
func growing() []trial {
	hotSet := func(p *pool) load.Source { return p.verifyAny(few) }
	pageAt := func(share float64) func(*pool) load.Source {
		return func(p *pool) load.Source { return load.Same(p.page(int(share * float64(p.keys-pageSize)))) }
	}
	return []trial{{
		id: "start", title: "From start to ready",
		about: "The time until /health/ready answers 200 on a data folder with so many keys.",
		sides: []side{starting("1,000 keys", fewKeys), starting("1,000,000 keys", (*env).most)},
	}, {
		id: "memory", title: "Memory of cached keys",
		about: "A process is started anew, asked for 1,000 keys thirty times, and then for each of 50,000 others once; the growth of its resident memory is divided by those. " +
			"What garbage collection needs for them is in it too.",
		sides: []side{{name: "1,000,000 keys", open: (*env).cachedKeys}},
	}, {
		id: "growth", title: "Verifying as data grows",
		about: "Closed loop, 32 connections, a thousand keys in turn, of as many and of a million. Of all: any of the million keys, many of which the cache doesn't hold.",
		sides: []side{
			fromPool("of 1,000 keys", fewKeys, hotSet),
			fromPool("of 1,000,000 keys", (*env).most, hotSet),
			fromPool("all 1,000,000 keys", (*env).most, func(p *pool) load.Source { return p.verifyAny(p.keys) }),
		},
	}, {
		id: "pages", title: "Listing a million keys",
		about: "Closed loop, 32 connections, pages of 100 keys.",
		sides: []side{
			fromPool("first page", (*env).most, pageAt(0)),
			fromPool("middle page", (*env).most, pageAt(0.5)),
			fromPool("last page", (*env).most, pageAt(1)),
			fromPool("first page of 1,000 keys", fewKeys, pageAt(0)),
		},
	}}
}

// starting measures how long a start takes.
func starting(name string, keys func(*env) int) side {
	return side{name: name, open: func(e *env) (turn, error) {
		p, err := e.pool(keys(e))
		return turn{run: func(time.Duration) (report.Metrics, error) {
			begun := time.Now()
			n, err := serve(p.program, p.data)
			if err != nil {
				return nil, err
			}
			took := time.Since(begun)
			return report.Metrics{report.Ready: float64(took) / float64(time.Millisecond)}, n.Stop()
		}}, err
	}}
}

// cachedKeys measures how much memory a cached key takes.
func (e *env) cachedKeys() (turn, error) {
	p, err := e.pool(e.most())
	return turn{run: func(time.Duration) (report.Metrics, error) {
		n, err := serve(p.program, p.data)
		if err != nil {
			return nil, err
		}
		grown, err := p.fillCache(n, min(p.keys-few, 50_000))
		return report.Metrics{report.BytesOfKey: grown}, errors.Join(err, n.Stop())
	}}, err
}

// fillCache verifies keys once each and returns the bytes that the process grew
// by for each.
func (p *pool) fillCache(n node, keys int) (float64, error) {
	for range 30 { // until garbage has taken what room it may have beside a small heap
		if err := p.verifyEach(n, 0, few); err != nil {
			return 0, err
		}
	}
	before, err := proc.RSS(n.PID())
	if err != nil {
		return 0, err
	}
	if err := p.verifyEach(n, few, few+keys); err != nil {
		return 0, err
	}
	after, err := proc.RSS(n.PID())
	return float64(after-before) / float64(keys), err
}

// verifyEach verifies the keys from one number up to another, one after another.
func (p *pool) verifyEach(n node, from, to int) error {
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
