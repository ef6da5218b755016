package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/latchkeyhq/latchkey/bench/load"
)

// clusterSetup is a number of nodes and their flags, except the database.
type clusterSetup struct {
	name  string
	nodes int
	flags func(redis string) []string
}

// The setups. exact calls Redis for every decision, fast synchronizes in the background.
var (
	oneExact = clusterSetup{"one node, exact", 1,
		func(redis string) []string { return []string{"--redis", redis, "--limits", "exact"} }}
	threeExact = clusterSetup{"three nodes, exact", 3, oneExact.flags}
	oneFast    = clusterSetup{"one node, fast", 1,
		func(redis string) []string { return []string{"--redis", redis, "--limits", "fast"} }}
	threeFast = clusterSetup{"three nodes, fast", 3, oneFast.flags}
)

// clusterTrials measure nodes on PostgreSQL and Redis.
func clusterTrials() []trial {
	trialOf := func(id, title string, source func(fixture) load.Source,
		setups ...clusterSetup) trial {
		t := trial{
			id: id, title: title,
			about: "Closed loop, 64 connections spread over the nodes. The nodes, PostgreSQL and " +
				"Redis all run on this machine, and their CPU time counts. " +
				"So several nodes cannot be faster than one here: the trial shows what sharing " +
				"costs.",
			sides: []side{singleNodeSide("one node, SQLite", 64, source)},
		}
		for _, s := range setups {
			t.sides = append(t.sides, s.side(source))
		}
		return t
	}
	return []trial{
		trialOf("nodesverify", "Nodes: verify", fixture.verifyPlain, oneExact, threeExact),
		trialOf("nodeslimit", "Nodes: limit, 100,000 identifiers", fixture.limitMany, oneExact,
			threeExact, oneFast, threeFast),
		trialOf("nodescredits", "Nodes: verify, credits of 1,000 keys", fixture.verifyBalances,
			oneExact, threeExact),
	}
}

// side returns the side of a setup.
func (s clusterSetup) side(source func(fixture) load.Source) side {
	return side{name: s.name, open: func(e *env) (runner, error) {
		if err := e.supportsCluster(); err != nil {
			return runner{}, err
		}
		redis, err := e.redis()
		if err != nil {
			return runner{}, err
		}
		dsn, postgres, err := e.database(strings.NewReplacer(" ", "_", ",", "").Replace(s.name))
		if err != nil {
			return runner{}, err
		}
		c, err := e.cluster(s.name, s.nodes,
			append([]string{"--database", dsn}, s.flags("redis://"+redis.addr)...)...)
		if err != nil {
			return runner{}, err
		}
		return c.target(source(c.fixture), postgres.PID(), redis.PID()).closed(64)
	}}
}

// supportsCluster returns a skip if the program cannot run as one of several nodes.
func (e *env) supportsCluster() error {
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
