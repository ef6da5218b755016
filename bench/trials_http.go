package main

import (
	"fmt"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// bareRequest returns a request to the bare handler with the bytes of a verification.
func bareRequest(f fixture) *load.Request {
	return load.Post("/v2/keys.verifyKey", f.root, `{"key":"`+f.plain+`"}`, `xxx"}`)
}

// bare returns the bare handler as a target.
func (e *env) bare() (target, error) {
	server, err := e.startOwn("bare", servers.Config{})
	if err != nil {
		return target{}, err
	}
	c, err := e.singleNode()
	if err != nil {
		return target{}, err
	}
	return httpTarget(load.Same(bareRequest(c.fixture)), []int{server.PID()}, server.addr), nil
}

// bareSide returns the bare handler as a side.
func bareSide(conns int) side {
	return side{name: "bare handler", open: func(e *env) (runner, error) {
		t, err := e.bare()
		if err != nil {
			return runner{}, err
		}
		return t.closed(conns)
	}}
}

// singleNodeSide returns a side that sends requests to the single node.
func singleNodeSide(name string, conns int, source func(fixture) load.Source) side {
	return side{name: name, open: func(e *env) (runner, error) {
		c, err := e.singleNode()
		if err != nil {
			return runner{}, err
		}
		return c.target(source(c.fixture)).closed(conns)
	}}
}

// The names of sides, which goals refer to.
const (
	plain      = "verify"
	limited    = "verify, one limit"
	roles      = "verify, ten roles and a query"
	oneBalance = "verify, credits of one key"
	balances   = "verify, credits of 1,000 keys"
	hot        = "limit, one identifier"
	many       = "limit, 100,000 identifiers"
	create     = "createKey"
)

// httpTrial measures all frequent operations over this number of connections.
func httpTrial(conns int) trial {
	return trial{
		id: fmt.Sprintf("http%d", conns), title: fmt.Sprintf("Over HTTP, connections: %d", conns),
		about: "Closed loop over persistent loopback connections to one node on SQLite. The bare " +
			"handler is net/http that reads a JSON body and writes 300 bytes of JSON. " +
			"The TCP echo returns 300 bytes. Credits are on disk before the response.",
		sides: []side{
			bareSide(conns),
			singleNodeSide(plain, conns, fixture.verifyPlain),
			singleNodeSide(limited, conns, fixture.verifyLimited),
			singleNodeSide(roles, conns, fixture.verifyRoles),
			singleNodeSide(hot, conns, fixture.limitHot),
			singleNodeSide(many, conns, fixture.limitMany),
			singleNodeSide(balances, conns, fixture.verifyBalances),
			singleNodeSide(oneBalance, conns, fixture.verifyOneBalance),
			{name: "TCP echo", open: func(e *env) (runner, error) { return e.echo(conns) }},
			{name: "Redis PING", optional: true,
				open: func(e *env) (runner, error) { return e.ping(conns) }},
		},
	}
}

// echo measures the minimum cost over TCP.
func (e *env) echo(conns int) (runner, error) {
	server, err := e.startOwn("echo", servers.Config{})
	if err != nil {
		return runner{}, err
	}
	text := []byte(servers.BareResponse)
	return raw(server, text, text).closed(conns)
}

// ping measures the round trip of every shared counter.
func (e *env) ping(conns int) (runner, error) {
	server, err := e.redis()
	if err != nil {
		return runner{}, err
	}
	return raw(server, []byte("*1\r\n$4\r\nPING\r\n"), []byte("+PONG\r\n")).closed(conns)
}

func raw(server running, send, want []byte) target {
	return target{pids: []int{server.PID()},
		dial: func(int) (load.Doer, error) { return load.DialRaw(server.addr, send, want) }}
}

// createTrial measures changes, each on disk before its response.
func createTrial() trial {
	const conns = 64
	return trial{
		id: "create", title: "Creating keys, connections: 64",
		about: "Closed loop. Each key and its audit record are committed and on disk " +
			"(synchronous=FULL) before the response. Waiting changes share a commit.",
		sides: []side{
			bareSide(conns),
			singleNodeSide(create, conns,
				func(f fixture) load.Source { return load.Same(f.createKey()) }),
		},
	}
}

// latencyAtLoad measures the bare handler and a verification, each at the same share of its own
// maximum
// rate.
func latencyAtLoad() trial {
	return trial{
		id: "p99", title: "Latency at 70 % of the maximum rate",
		about: "Open loop over 64 connections. Requests are due at a fixed rate: 70 % of the " +
			"rate that the same side reached in a closed loop just before. " +
			"Latency is measured from the due time.",
		sides: []side{
			{name: "bare handler", open: func(e *env) (runner, error) {
				t, err := e.bare()
				if err != nil {
					return runner{}, err
				}
				return e.paced("bare", t, t, 0.7)
			}},
			{name: plain, open: func(e *env) (runner, error) {
				c, err := e.singleNode()
				if err != nil {
					return runner{}, err
				}
				t := c.target(c.verifyPlain())
				return e.paced(plain, t, t, 0.7)
			}},
		},
	}
}

// verifyUnderWrites measures whether verifications wait for changes.
func verifyUnderWrites() trial {
	paced := func(name string, source func(fixture) load.Source) side {
		return side{name: name, open: func(e *env) (runner, error) {
			c, err := e.singleNode()
			if err != nil {
				return runner{}, err
			}
			return e.paced(plain, c.target(c.verifyPlain()), c.target(source(c.fixture)), 0.5)
		}}
	}
	return trial{
		id: "mixed", title: "Verifications under writes",
		about: "Open loop over 64 connections, both sides at the same rate: half of the maximum " +
			"rate of verifications alone. \"mixed\" is 95 % verifications, 4 % limits, 0.5 % new " +
			"keys and 0.5 % updates of another key. " +
			"Latency is that of the verifications; rate and CPU time are those of all requests.",
		sides: []side{paced("verify alone", fixture.verifyPlain), paced("mixed", fixture.mixed)},
	}
}

// paced opens an open loop on target t at a share of the maximum rate of ceiling, which is measured
// once
// per run.
func (e *env) paced(name string, ceiling, t target, share float64) (runner, error) {
	const conns = 64
	rate, err := once(e, "most "+name, func() (float64,
		error) {
		return ceiling.maxRate(conns, e.sampleTime)
	})
	if err != nil {
		return runner{}, err
	}
	return t.open(conns, rate*share)
}
