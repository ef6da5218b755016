package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/latchkeyhq/latchkey/bench/load"
)

// setup is a way to run Latchkey: so many nodes, with these flags besides the
// database.
type setup struct {
	name  string
	nodes int
	flags func(redis string) []string
}

// The setups; exact asks Redis at every decision, fast now and then.
var (
	oneExact   = setup{"one node, exact", 1, func(redis string) []string { return []string{"--redis", redis, "--limits", "exact"} }}
	threeExact = setup{"three nodes, exact", 3, oneExact.flags}
	oneFast    = setup{"one node, fast", 1, func(redis string) []string { return []string{"--redis", redis, "--limits", "fast"} }}
	threeFast  = setup{"three nodes, fast", 3, oneFast.flags}
)

// shared measures nodes on PostgreSQL and Redis.
func shared() []trial {
	trialOf := func(id, title string, source func(world) load.Source, setups ...setup) trial {
		t := trial{
			id: id, title: title,
			about: "Closed loop, 64 connections spread over the nodes, which share PostgreSQL and Redis, all on this machine and all counted: " +
				"more nodes can't be faster here than one, they show what sharing costs.",
			sides: []side{of("one node, SQLite", 64, source)},
		}
		for _, s := range setups {
			t.sides = append(t.sides, s.side(source))
		}
		return t
	}
	return []trial{
		trialOf("nodesverify", "Nodes: verify", world.verifyPlain, oneExact, threeExact),
		trialOf("nodeslimit", "Nodes: limit, 100,000 identifiers", world.limitMany, oneExact, threeExact, oneFast, threeFast),
		trialOf("nodescredits", "Nodes: verify, credits of 1,000 keys", world.verifyBalances, oneExact, threeExact),
	}
}

// side makes a side of a setup.
func (s setup) side(source func(world) load.Source) side {
	return side{name: s.name, open: func(e *env) (turn, error) {
		if err := e.canShare(); err != nil {
			return turn{}, err
		}
		redis, err := e.redis()
		if err != nil {
			return turn{}, err
		}
		dsn, postgres, err := e.database(strings.NewReplacer(" ", "_", ",", "").Replace(s.name))
		if err != nil {
			return turn{}, err
		}
		c, err := e.cluster(s.name, s.nodes, append([]string{"--database", dsn}, s.flags("redis://"+redis.addr)...)...)
		if err != nil {
			return turn{}, err
		}
		return c.target(source(c.world), postgres.PID(), redis.PID()).closed(64)
	}}
}

// canShare returns a skip while the program can't run as one of several nodes.
func (e *env) canShare() error {
	_, err := once(e, "shares", func() (struct{}, error) {
		program, err := e.build()
		if err != nil {
			return struct{}{}, err
		}
		help, err := exec.Command(program, "serve", "--help").CombinedOutput()
		if err != nil {
			return struct{}{}, fmt.Errorf("latchkey serve --help: %w", err)
		}
		for _, flag := range []string{"--database", "--redis", "--limits"} {
			if !strings.Contains(string(help), flag) {
				return struct{}{}, skip{errors.New("latchkey serve has no flag " + flag)}
			}
		}
		return struct{}{}, nil
	})
	return err
}
