package main

import (
	"fmt"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// bareRequest asks the bare handler with as many bytes as a verification.
func bareRequest(w world) *load.Request {
	return load.Post("/v2/keys.verifyKey", w.root, `{"key":"`+w.plain+`"}`, `xxx"}`)
}

// bare returns the target that is the ceiling.
func (e *env) bare() (target, error) {
	server, err := e.own("bare", servers.Config{})
	if err != nil {
		return target{}, err
	}
	c, err := e.alone()
	if err != nil {
		return target{}, err
	}
	return overHTTP(load.Same(bareRequest(c.world)), []int{server.PID()}, server.addr), nil
}

// bareAt is the ceiling as a side.
func bareAt(conns int) side {
	return side{name: "bare handler", open: func(e *env) (turn, error) {
		t, err := e.bare()
		if err != nil {
			return turn{}, err
		}
		return t.closed(conns)
	}}
}

// of makes a side of what the lone node is sent.
func of(name string, conns int, source func(world) load.Source) side {
	return side{name: name, open: func(e *env) (turn, error) {
		c, err := e.alone()
		if err != nil {
			return turn{}, err
		}
		return c.target(source(c.world)).closed(conns)
	}}
}

// The operations, by the names that the goals know them by.
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

// overConnections measures all hot operations with so many connections.
func overConnections(conns int) trial {
	return trial{
		id: fmt.Sprintf("http%d", conns), title: fmt.Sprintf("Over HTTP, connections: %d", conns),
		about: "Closed loop over kept loopback connections to one node on SQLite. The bare handler is net/http reading a JSON body and answering 300 bytes of JSON, " +
			"the TCP echo sends 300 bytes back. Credits are on disk before the answer.",
		sides: []side{
			bareAt(conns),
			of(plain, conns, world.verifyPlain),
			of(limited, conns, world.verifyLimited),
			of(roles, conns, world.verifyRoles),
			of(hot, conns, world.limitHot),
			of(many, conns, world.limitMany),
			of(balances, conns, world.verifyBalances),
			of(oneBalance, conns, world.verifyOneBalance),
			{name: "TCP echo", open: func(e *env) (turn, error) { return e.echo(conns) }},
			{name: "Redis PING", optional: true, open: func(e *env) (turn, error) { return e.ping(conns) }},
		},
	}
}

// echo is the least that anything over TCP costs.
func (e *env) echo(conns int) (turn, error) {
	server, err := e.own("echo", servers.Config{})
	if err != nil {
		return turn{}, err
	}
	text := []byte(servers.BareAnswer)
	return raw(server, text, text).closed(conns)
}

// ping is the round trip that every shared counter costs.
func (e *env) ping(conns int) (turn, error) {
	server, err := e.redis()
	if err != nil {
		return turn{}, err
	}
	return raw(server, []byte("*1\r\n$4\r\nPING\r\n"), []byte("+PONG\r\n")).closed(conns)
}

func raw(server running, send, want []byte) target {
	return target{pids: []int{server.PID()}, dial: func(int) (load.Doer, error) { return load.DialRaw(server.addr, send, want) }}
}

// creating measures changes, each on disk before its answer.
func creating() trial {
	const conns = 64
	return trial{
		id: "create", title: "Creating keys, connections: 64",
		about: "Closed loop. Each key is in the database, with its audit record, and on disk (synchronous=FULL) before its answer; changes that wait share a commit.",
		sides: []side{
			bareAt(conns),
			of(create, conns, func(w world) load.Source { return load.Same(w.createKey()) }),
		},
	}
}

// atShareOfMost asks the ceiling and a verification at the same share of what
// each can do at most.
func atShareOfMost() trial {
	return trial{
		id: "p99", title: "Latency at 70 % of the most",
		about: "Open loop at 64 connections: requests are due at a fixed rate, 70 % of the rate that the side itself reached in a closed loop right before, and the time counts " +
			"from when a request was due.",
		sides: []side{
			{name: "bare handler", open: func(e *env) (turn, error) {
				t, err := e.bare()
				if err != nil {
					return turn{}, err
				}
				return e.paced("bare", t, t, 0.7)
			}},
			{name: plain, open: func(e *env) (turn, error) {
				c, err := e.alone()
				if err != nil {
					return turn{}, err
				}
				t := c.target(c.verifyPlain())
				return e.paced(plain, t, t, 0.7)
			}},
		},
	}
}

// besideWrites asks whether verifications wait for changes.
func besideWrites() trial {
	paced := func(name string, source func(world) load.Source) side {
		return side{name: name, open: func(e *env) (turn, error) {
			c, err := e.alone()
			if err != nil {
				return turn{}, err
			}
			return e.paced(plain, c.target(c.verifyPlain()), c.target(source(c.world)), 0.5)
		}}
	}
	return trial{
		id: "mixed", title: "Verifications beside changes",
		about: "Open loop at 64 connections, both sides at the same rate, half of what verifications alone reach. Mixed are 95 % verifications, 4 % limits, 0.5 % new keys and 0.5 % changes of another key. " +
			"The times are those of the verifications, rate and costs those of everything.",
		sides: []side{paced("verify alone", world.verifyPlain), paced("mixed", world.mixed)},
	}
}

// paced opens an open loop on a target, at a share of what another (or the same)
// reaches at most, which is found out once a run.
func (e *env) paced(name string, ceiling, t target, share float64) (turn, error) {
	const conns = 64
	most, err := once(e, "most "+name, func() (float64, error) { return ceiling.most(conns, e.turn) })
	if err != nil {
		return turn{}, err
	}
	return t.open(conns, most*share)
}
