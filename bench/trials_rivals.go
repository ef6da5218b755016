package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// The rivals.
var (
	gubernator = rivalProgram{
		name: "gubernator", module: "github.com/gubernator-io/gubernator/v2",
		pkg: "/cmd/gubernator", version: "v2.13.0",
		sum:    "h1:kvY3ppEpKBnUCKGLXBXO9QT/HQTpQVTwLzpQe6asOu0=",
		modSum: "h1:jHkFFXCkRmxI5/4HOK052gls1uXiYzcvtrmCzhsIY+0=",
	}
	envoy = rivalProgram{
		name: "envoy-ratelimit", module: "github.com/envoyproxy/ratelimit", pkg: "/src/service_cmd",
		version: "v1.4.1-0.20260122083618-3fb702589d36",
		sum:     "h1:nEi1OH2qhE8NtcuBgO/uKpTw/P0nVu4i8mZvL6oD9CQ=",
		modSum:  "h1:n61Cm3Lex7sdo0PcQ4UMO12rYb4VT9XZaYC1bA+BUFc=",
	}
)

// The names of sides, which goals refer to.
const (
	gubernatorHTTP = "gubernator, HTTP"
	gubernatorGRPC = "gubernator, gRPC"
	envoyHTTP      = "envoy ratelimit with Redis, HTTP"
	envoyGRPC      = "envoy ratelimit with Redis, gRPC"
	ours           = "Latchkey"
	selfRolled     = "self-rolled: SHA-256, PostgreSQL, Redis"
)

// rivalTrials compare Latchkey with products that do the same work.
func rivalTrials() []trial {
	const conns = 32
	limiterTrial := func(id, title string, own func(fixture) load.Source, ident string,
		n int) trial {
		return trial{
			id: id, title: title,
			about: "Closed loop, 32 connections (over gRPC, 32 callers on four connections), the " +
				"same machine, generator and work: one allowed call of a limit with a window of " +
				"one hour. " +
				"The rivals' backends run on the same machine, and their CPU time counts. Over " +
				"gRPC the client is the gRPC library, which uses more CPU than the generator " +
				"for HTTP; server CPU is the fairer figure there.",
			sides: []side{
				singleNodeSide(ours, conns, own),
				rival(gubernatorHTTP, conns,
					func(e *env) (target, error) { return e.gubernator(false, ident, n) }),
				rival(gubernatorGRPC, conns,
					func(e *env) (target, error) { return e.gubernator(true, ident, n) }),
				rival(envoyHTTP, conns, func(e *env) (target,
					error) {
					return e.envoy(false, ident, n)
				}),
				rival(envoyGRPC, conns, func(e *env) (target,
					error) {
					return e.envoy(true, ident, n)
				}),
				rival(selfRolled, conns, func(e *env) (target, error) {
					return e.selfRolled("/limit", `{"identifier":"`+ident+`","limit":1000000000}`,
						n)
				}),
			},
		}
	}
	return []trial{
		limiterTrial("rivalshot", "Limiters, one identifier", fixture.limitHot, "user_"+load.Digits,
			1),
		limiterTrial("rivalsmany", "Limiters, 100,000 identifiers", fixture.limitMany,
			"user_"+load.Digits, identifiers),
		{
			id: "selfrolled", title: "Verification, compared with a self-written service",
			about: "Closed loop, 32 connections, a key with one limit. The self-rolled handler " +
				"looks up the key's hash in PostgreSQL and increments a counter in Redis.",
			sides: []side{
				singleNodeSide(ours, conns, fixture.verifyLimited),
				rival(selfRolled, conns, func(e *env) (target, error) {
					return e.selfRolled("/verify",
						`{"key":"`+servers.SelfRolledKey+`","n":"`+load.Digits+`"}`, 1)
				}),
			},
		},
	}
}

// rival returns the side of a rival.
func rival(name string, conns int, open func(*env) (target, error)) side {
	return side{name: name, optional: true, open: func(e *env) (runner, error) {
		t, err := open(e)
		if err != nil {
			return runner{}, err
		}
		return t.closed(conns)
	}}
}

// grpcServer is a server with a second address for gRPC.
type grpcServer struct {
	running
	grpc string
}

// gubernator returns a target with n identifiers: one node with its counters in memory.
func (e *env) gubernator(gRPC bool, ident string, n int) (target, error) {
	g, err := once(e, "gubernator", e.startGubernator)
	if err != nil {
		return target{}, err
	}
	if !gRPC {
		body := `{"requests":[{"name":"measured","unique_key":"` + ident +
			`","hits":1,"limit":1000000000,"duration":3600000}]}`
		return httpTarget(load.Numbered(load.Post("/v1/GetRateLimits", "", body, "UNDER_LIMIT"), n),
			[]int{g.PID()}, g.addr), nil
	}
	one := slices.Concat(text(1, "measured"), text(2, ident), number(3, 1),
		number(4, 1_000_000_000), number(5, 3_600_000))
	// the limit; an error lacks it
	request := &load.Request{Bytes: text(1, one), Want: number(2, 1_000_000_000)}
	return grpcTarget(g.grpc, "/pb.gubernator.V1/GetRateLimits", load.Numbered(request, n),
		g.PID()), nil
}

func (e *env) startGubernator() (g grpcServer, err error) {
	program, err := e.install(gubernator)
	if err != nil {
		return g, err
	}
	if g.addr, err = freeAddr(); err != nil {
		return g, err
	}
	if g.grpc, err = freeAddr(); err != nil {
		return g, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(),
		"GUBER_HTTP_ADDRESS="+g.addr, "GUBER_GRPC_ADDRESS="+g.grpc,
		"GUBER_ADVERTISE_ADDRESS="+g.grpc,
		"GUBER_CACHE_SIZE=200000", // the default of 50,000 would evict active identifiers
		"GUBER_LOG_LEVEL=error")
	g.Process, err = e.start(cmd, returns200("http://"+g.addr+"/v1/HealthCheck"))
	return g, err
}

// envoy returns a target with n identifiers: the service with Redis, and with a pipeline window of
// 150 µs
// as its manual recommends under load.
func (e *env) envoy(gRPC bool, ident string, n int) (target, error) {
	g, err := once(e, "envoy", e.startEnvoy)
	if err != nil {
		return target{}, err
	}
	redis, err := e.redis()
	if err != nil {
		return target{}, err
	}
	pids := []int{g.PID(), redis.PID()}
	if !gRPC {
		body := `{"domain":"measured","descriptors":[{"entries":[{"key":"user","value":"` + ident +
			`"}]}]}`
		return httpTarget(load.Numbered(load.Post("/json", "", body, `"OK"`), n), pids, g.addr), nil
	}
	entry := slices.Concat(text(1, "user"), text(2, ident))
	// OK
	request := &load.Request{Bytes: slices.Concat(text(1, "measured"), text(2, text(1, entry))),
		Want: number(1, 1)}
	return grpcTarget(g.grpc, "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
		load.Numbered(request, n), pids...), nil
}

// envoyLimit allows a billion requests per hour for every value of user.
const envoyLimit = `domain: measured
descriptors:
  - key: user
    rate_limit:
      unit: hour
      requests_per_unit: 1000000000
`

func (e *env) startEnvoy() (g grpcServer, err error) {
	program, err := e.install(envoy)
	if err != nil {
		return g, err
	}
	redis, err := e.redis()
	if err != nil {
		return g, err
	}
	dir, err := e.folder("envoy")
	if err != nil {
		return g, err
	}
	config := filepath.Join(dir, "ratelimit", "config")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return g, err
	}
	if err := os.WriteFile(filepath.Join(config, "measured.yaml"), []byte(envoyLimit),
		0o644); err != nil {
		return g, err
	}
	var debug string
	for _, addr := range []*string{&g.addr, &g.grpc, &debug} {
		if *addr, err = freeAddr(); err != nil {
			return g, err
		}
	}
	port := func(addr string) string { _, port, _ := strings.Cut(addr, ":"); return port }
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(),
		"HOST=127.0.0.1", "PORT="+port(g.addr), "GRPC_HOST=127.0.0.1", "GRPC_PORT="+port(g.grpc),
		"DEBUG_HOST=127.0.0.1", "DEBUG_PORT="+port(debug),
		"RUNTIME_ROOT="+dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false",
		"REDIS_SOCKET_TYPE=tcp", "REDIS_URL="+redis.addr, "REDIS_PIPELINE_WINDOW=150us",
		"USE_STATSD=false", "LOG_LEVEL=error")
	g.Process, err = e.start(cmd, returns200("http://"+g.addr+"/healthcheck"))
	return g, err
}

// selfRolled returns the self-written service as a target.
func (e *env) selfRolled(path, body string, n int) (target, error) {
	dsn, postgres, err := e.database("selfrolled")
	if err != nil {
		return target{}, err
	}
	redis, err := e.redis()
	if err != nil {
		return target{}, err
	}
	server, err := e.startOwn("diy", servers.Config{Postgres: dsn, Redis: redis.addr})
	if err != nil {
		return target{}, err
	}
	request := load.Post(path, "", body, `"valid":true`)
	return httpTarget(load.Numbered(request, n), []int{server.PID(), postgres.PID(), redis.PID()},
		server.addr), nil
}
