package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/bench/load"
	"github.com/latchkeyhq/latchkey/bench/proc"
)

// node is a running Latchkey.
type node struct {
	running
	rootKey string // empty unless this node created the first one
}

// startupInfo is the first output of latchkey serve --json.
type startupInfo struct{ URL, RootKey string }

// serve starts Latchkey on a data folder with these flags, and waits until it is ready.
func serve(program, data string, flags ...string) (node, error) {
	var n node
	cmd := exec.Command(program, append([]string{"serve", "--json", "--listen", "127.0.0.1:0",
		"--data", data}, flags...)...)
	line, err := firstLine(cmd)
	if err != nil {
		return n, err
	}
	n.Process, err = proc.Start(cmd, func() error {
		if n.addr == "" {
			var info startupInfo
			if err := json.Unmarshal([]byte(line()), &info); err != nil {
				return errors.New("it has not printed its address")
			}
			n.addr, n.rootKey = strings.TrimPrefix(info.URL, "http://"), info.RootKey
		}
		return returns200("http://" + n.addr + "/health/ready")()
	})
	return n, err
}

// cluster is one or more nodes that share a database, filled with the fixture of the trials.
type cluster struct {
	nodes []node
	fixture
}

// cluster starts n nodes with these flags, once per run.
func (e *env) cluster(name string, n int, flags ...string) (*cluster, error) {
	return once(e, "cluster "+name, func() (*cluster, error) {
		program, err := e.build()
		if err != nil {
			return nil, err
		}
		c, first := &cluster{}, ""
		for range n {
			data, err := e.folder(strings.NewReplacer(" ", "-", ",", "").Replace(name))
			if err != nil {
				return nil, err
			}
			if first == "" {
				first = data
			} else if err := copyMasterKey(first, data); err != nil {
				return nil, err
			}
			started, err := serve(program, data, flags...)
			if err != nil {
				return nil, err
			}
			e.onClose(started.Stop)
			c.nodes = append(c.nodes, started)
		}
		c.fixture, err = newFixture(c.nodes[0].addr, c.nodes[0].rootKey)
		return c, err
	})
}

// copyMasterKey lets a node decrypt the data of the first one.
func copyMasterKey(from, to string) error {
	const file = "master.key"
	key, err := os.ReadFile(filepath.Join(from, file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, file), key, 0o600)
}

// singleNode returns the single node on SQLite that most trials use.
func (e *env) singleNode() (*cluster, error) { return e.cluster("alone", 1) }

// target returns a target that spreads its connections over the nodes. The CPU time of otherPIDs
// counts
// too.
func (c *cluster) target(source load.Source, otherPIDs ...int) target {
	var addrs []string
	for _, n := range c.nodes {
		addrs, otherPIDs = append(addrs, n.addr), append(otherPIDs, n.PID())
	}
	return httpTarget(source, otherPIDs, addrs...)
}

// fixture is the data of a service and the requests that use it.
type fixture struct {
	root, api string
	plain     string   // a plain key
	limited   string   // a key with an auto-applied limit
	limitedID string   // the id of limited
	credited  []string // keys with credits
	roled     string   // a key with ten roles of three permissions each
}

// creditedKeys is the number of keys with credits.
const creditedKeys = 1000

// unlimited is a limit and a balance that no trial exhausts.
const unlimited = 1 << 50

// newFixture fills a service through its API.
func newFixture(addr, rootKey string) (fixture, error) {
	client, err := latchkey.New(latchkey.Config{BaseURL: "http://" + addr, RootKey: rootKey})
	if err != nil {
		return fixture{}, err
	}
	f, err := fill(context.Background(), client)
	f.root = rootKey
	return f, err
}

// fill creates the data of the trials.
func fill(ctx context.Context, client *latchkey.Client) (f fixture, err error) {
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "measured"})
	if err != nil {
		return f, err
	}
	f.api = api.APIID
	created := func(r latchkey.CreateKeyRequest) latchkey.CreatedKey {
		r.APIID = f.api
		created, fault := client.Keys.Create(ctx, r)
		err = errors.Join(err, fault)
		return created
	}
	f.plain = created(latchkey.CreateKeyRequest{}).Key
	limited := created(latchkey.CreateKeyRequest{Ratelimits: []latchkey.RatelimitRequest{
		{Name: "requests", Limit: unlimited, Duration: latchkey.Per(time.Hour),
			AutoApply: latchkey.Set(true)},
	}})
	f.limited, f.limitedID = limited.Key, limited.KeyID
	roles, fault := tenRoles(ctx, client)
	f.roled = created(latchkey.CreateKeyRequest{Roles: roles}).Key
	balances, broken := withBalance(ctx, client, f.api)
	f.credited = balances
	return f, errors.Join(err, fault, broken)
}

// withBalance creates keys with credits, many in parallel so that they share commits.
func withBalance(ctx context.Context, client *latchkey.Client, api string) ([]string, error) {
	keys, errs := make([]string, creditedKeys), make([]error, creditedKeys)
	var group sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range keys {
		slots <- struct{}{}
		group.Go(func() {
			created, err := client.Keys.Create(ctx,
				latchkey.CreateKeyRequest{APIID: api,
					Credits: &latchkey.Credits{Remaining: latchkey.Int(unlimited)}})
			keys[i], errs[i] = created.Key, err
			<-slots
		})
	}
	group.Wait()
	return keys, errors.Join(errs...)
}

// tenRoles creates ten roles with three permissions each.
func tenRoles(ctx context.Context, client *latchkey.Client) (names []string, err error) {
	for _, noun := range []string{"docs", "files", "users", "teams", "bills", "plans", "hooks",
		"logs", "tags", "notes"} {
		_, err := client.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
			Name: noun + "-editor", Permissions: []string{noun + ".read", noun + ".write",
				noun + ".delete"},
		})
		if err != nil {
			return nil, err
		}
		names = append(names, noun+"-editor")
	}
	return names, nil
}

// The response to a valid verification contains valid, and the response to an allowed limit
// contains
// success.
const (
	valid   = `"code":"VALID"`
	success = `"success":true`
)

// verify returns a request that verifies a key. more is further JSON members, each after a comma.
func (f fixture) verify(key, more string) *load.Request {
	return load.Post("/v2/keys.verifyKey", f.root, `{"key":"`+key+`"`+more+`}`, valid)
}

func (f fixture) verifyPlain() load.Source   { return load.Same(f.verify(f.plain, "")) }
func (f fixture) verifyLimited() load.Source { return load.Same(f.verify(f.limited, "")) }

// verifyOneBalance spends from one key, verifyBalances from many.
func (f fixture) verifyOneBalance() load.Source { return load.Same(f.verify(f.credited[0], "")) }

func (f fixture) verifyBalances() load.Source {
	var all []*load.Request
	for _, key := range f.credited {
		all = append(all, f.verify(key, ""))
	}
	return load.AnyOf(all)
}

func (f fixture) verifyRoles() load.Source {
	const query = `,"permissions":"docs.read AND (files.write OR users.admin) AND notes.delete"`
	return load.Same(f.verify(f.roled, query))
}

// limit returns a request that limits an identifier.
func (f fixture) limit(identifier string) *load.Request {
	return load.Post("/v2/ratelimit.limit", f.root,
		`{"namespace":"measured","identifier":"`+identifier+
			`","limit":1000000000000,"duration":3600000}`, success)
}

func (f fixture) limitHot() load.Source { return load.Same(f.limit("user_00000000")) }
func (f fixture) limitMany() load.Source {
	return load.Numbered(f.limit("user_"+load.Digits), identifiers)
}

// identifiers is the number of identifiers of trials with many.
const identifiers = 100_000

func (f fixture) createKey() *load.Request {
	return load.Post("/v2/keys.createKey", f.root,
		`{"apiId":"`+f.api+`","name":"created under load"}`, `"keyId":"`)
}

func (f fixture) updateKey() *load.Request {
	return load.Post("/v2/keys.updateKey", f.root,
		`{"keyId":"`+f.limitedID+`","name":"changed under load"}`, `"data":{}`)
}

// mixed is 95 % verifications (kind 0), 4 % limits and 1 % changes (kind 1). Half of the changes
// create
// keys and half update one key.
func (f fixture) mixed() load.Source {
	return load.Mix(
		load.Part{Share: 190, Source: f.verifyPlain()},
		load.Part{Share: 8, Source: load.Numbered(f.limit("user_"+load.Digits).As(1), identifiers)},
		load.Part{Share: 1, Source: load.Same(f.createKey().As(1))},
		load.Part{Share: 1, Source: load.Same(f.updateKey().As(1))},
	)
}
