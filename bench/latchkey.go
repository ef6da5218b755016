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
	rootKey string // empty unless this node made the first one
}

// greeting is what latchkey serve --json prints when it answers.
type greeting struct{ URL, RootKey string }

// serve starts Latchkey on a data folder with whatever flags, and waits until it is
// ready for requests.
func serve(program, data string, flags ...string) (node, error) {
	var n node
	cmd := exec.Command(program, append([]string{"serve", "--json", "--listen", "127.0.0.1:0", "--data", data}, flags...)...)
	line, err := firstLine(cmd)
	if err != nil {
		return n, err
	}
	n.Process, err = proc.Start(cmd, func() error {
		if n.addr == "" {
			var said greeting
			if err := json.Unmarshal([]byte(line()), &said); err != nil {
				return errors.New("it has not said where it listens")
			}
			n.addr, n.rootKey = strings.TrimPrefix(said.URL, "http://"), said.RootKey
		}
		return healthy("http://" + n.addr + "/health/ready")()
	})
	return n, err
}

// cluster is one Latchkey or several that share a database, with everything in it
// that the trials ask for.
type cluster struct {
	nodes []node
	world
}

// cluster starts n nodes with these flags, once a run.
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
			one, err := serve(program, data, flags...)
			if err != nil {
				return nil, err
			}
			e.defers(one.Stop)
			c.nodes = append(c.nodes, one)
		}
		c.world, err = newWorld(c.nodes[0].addr, c.nodes[0].rootKey)
		return c, err
	})
}

// copyMasterKey lets a node open what the first one has sealed.
func copyMasterKey(from, to string) error {
	const file = "master.key"
	key, err := os.ReadFile(filepath.Join(from, file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, file), key, 0o600)
}

// alone returns the one node on SQLite that most trials ask.
func (e *env) alone() (*cluster, error) { return e.cluster("alone", 1) }

// target puts the nodes under load, each connection the next one.
func (c *cluster) target(source load.Source, alsoCharged ...int) target {
	var addrs []string
	for _, n := range c.nodes {
		addrs, alsoCharged = append(addrs, n.addr), append(alsoCharged, n.PID())
	}
	return overHTTP(source, alsoCharged, addrs...)
}

// world is what a service was filled with, and the requests about it.
type world struct {
	root, api string
	plain     string   // a key and nothing else
	limited   string   // a key with a limit that always applies
	limitedID string   // its id
	credited  []string // keys with a balance
	roled     string   // a key with ten roles of three permissions each
}

// creditedKeys is how many keys with a balance there are.
const creditedKeys = 1000

// never is a limit and a balance that nothing here reaches.
const never = 1 << 50

// newWorld fills a service through its API.
func newWorld(addr, rootKey string) (world, error) {
	client, err := latchkey.New(latchkey.Config{BaseURL: "http://" + addr, RootKey: rootKey})
	if err != nil {
		return world{}, err
	}
	w, err := fill(context.Background(), client)
	w.root = rootKey
	return w, err
}

// fill makes what the trials ask for.
func fill(ctx context.Context, client *latchkey.Client) (w world, err error) {
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "measured"})
	if err != nil {
		return w, err
	}
	w.api = api.APIID
	created := func(r latchkey.CreateKeyRequest) latchkey.CreatedKey {
		r.APIID = w.api
		made, fault := client.Keys.Create(ctx, r)
		err = errors.Join(err, fault)
		return made
	}
	w.plain = created(latchkey.CreateKeyRequest{}).Key
	limited := created(latchkey.CreateKeyRequest{Ratelimits: []latchkey.RatelimitRequest{
		{Name: "requests", Limit: never, Duration: latchkey.Per(time.Hour), AutoApply: latchkey.Set(true)},
	}})
	w.limited, w.limitedID = limited.Key, limited.KeyID
	roles, fault := tenRoles(ctx, client)
	w.roled = created(latchkey.CreateKeyRequest{Roles: roles}).Key
	balances, broken := withBalance(ctx, client, w.api)
	w.credited = balances
	return w, errors.Join(err, fault, broken)
}

// withBalance makes keys with a balance, many at a time so that they share commits.
func withBalance(ctx context.Context, client *latchkey.Client, api string) ([]string, error) {
	keys, errs := make([]string, creditedKeys), make([]error, creditedKeys)
	var group sync.WaitGroup
	room := make(chan struct{}, 64)
	for i := range keys {
		room <- struct{}{}
		group.Go(func() {
			made, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: api, Credits: &latchkey.Credits{Remaining: latchkey.Int(never)}})
			keys[i], errs[i] = made.Key, err
			<-room
		})
	}
	group.Wait()
	return keys, errors.Join(errs...)
}

// tenRoles makes ten roles with three permissions each.
func tenRoles(ctx context.Context, client *latchkey.Client) (names []string, err error) {
	for _, noun := range []string{"docs", "files", "users", "teams", "bills", "plans", "hooks", "logs", "tags", "notes"} {
		_, err := client.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
			Name: noun + "-editor", Permissions: []string{noun + ".read", noun + ".write", noun + ".delete"},
		})
		if err != nil {
			return nil, err
		}
		names = append(names, noun+"-editor")
	}
	return names, nil
}

// valid is in the answer to a verification that passes, and success in that to a
// limit that does.
const (
	valid   = `"code":"VALID"`
	success = `"success":true`
)

// verify asks about a key; more are further members of the request, each with a
// comma before it.
func (w world) verify(key, more string) *load.Request {
	return load.Post("/v2/keys.verifyKey", w.root, `{"key":"`+key+`"`+more+`}`, valid)
}

func (w world) verifyPlain() load.Source   { return load.Same(w.verify(w.plain, "")) }
func (w world) verifyLimited() load.Source { return load.Same(w.verify(w.limited, "")) }

// verifyOneBalance spends from one key, verifyBalances from many.
func (w world) verifyOneBalance() load.Source { return load.Same(w.verify(w.credited[0], "")) }

func (w world) verifyBalances() load.Source {
	var all []*load.Request
	for _, key := range w.credited {
		all = append(all, w.verify(key, ""))
	}
	return load.AnyOf(all)
}

func (w world) verifyRoles() load.Source {
	return load.Same(w.verify(w.roled, `,"permissions":"docs.read AND (files.write OR users.admin) AND notes.delete"`))
}

// limit counts an identifier of a namespace.
func (w world) limit(identifier string) *load.Request {
	return load.Post("/v2/ratelimit.limit", w.root, `{"namespace":"measured","identifier":"`+identifier+`","limit":1000000000000,"duration":3600000}`, success)
}

func (w world) limitHot() load.Source { return load.Same(w.limit("user_00000000")) }
func (w world) limitMany() load.Source {
	return load.Numbered(w.limit("user_"+load.Digits), identifiers)
}

// identifiers is how many there are where there are many.
const identifiers = 100_000

func (w world) createKey() *load.Request {
	return load.Post("/v2/keys.createKey", w.root, `{"apiId":"`+w.api+`","name":"made under load"}`, `"keyId":"`)
}

func (w world) updateKey() *load.Request {
	return load.Post("/v2/keys.updateKey", w.root, `{"keyId":"`+w.limitedID+`","name":"changed under load"}`, `"data":{}`)
}

// mixed is 95 % verifications (kind 0), 4 % limits and 1 % changes (kind 1),
// half of which make keys and half of which change one.
func (w world) mixed() load.Source {
	return load.Mix(
		load.Part{Share: 190, Source: w.verifyPlain()},
		load.Part{Share: 8, Source: load.Numbered(w.limit("user_"+load.Digits).As(1), identifiers)},
		load.Part{Share: 1, Source: load.Same(w.createKey().As(1))},
		load.Part{Share: 1, Source: load.Same(w.updateKey().As(1))},
	)
}
