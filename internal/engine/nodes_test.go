package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// newNodes starts nodes on one PostgreSQL database. Their clocks stand still
// where the tests' clock stands; their operator is the same. Tweak may change
// the configuration of each, and give it another way to the database.
func newNodes(t *testing.T, n int, tweak func(i int, cfg *Config, where *string)) []*world {
	t.Helper()
	where, master := testenv.Postgres(t), vault.NewMaster()
	nodes := make([]*world, n)
	for i := range nodes {
		nodes[i] = openNode(t, i, where, master, tweak)
	}
	root, err := nodes[0].FirstRootKey(t.Context(), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range nodes {
		w.root, w.who = root, w.caller(root)
	}
	return nodes
}

func openNode(
	t *testing.T, i int, where, master string, tweak func(i int, cfg *Config, where *string),
) *world {
	t.Helper()
	w := &world{t: t, at: start}
	masters, err := vault.New(master)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Vault: masters, Now: w.now, Log: slog.New(slog.DiscardHandler)}
	if tweak != nil {
		tweak(i, &cfg, &where)
	}
	if w.db, err = store.Open(t.Context(), where); err != nil {
		t.Fatal(err)
	}
	cfg.DB = w.db
	if w.Engine, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(errors.Join(err, w.db.Close()))
	}
	t.Cleanup(func() { // with the database gone there is nothing to save to
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = w.Engine.Close(ctx)
		_ = w.db.Close()
	})
	return w
}

// TestChangesApplyOnEveryNodeWithinASecond makes each kind of change on one
// node and asks another one, which has the old state in its cache, until it
// returns the new state.
func TestChangesApplyOnEveryNodeWithinASecond(t *testing.T) {
	nodes := newNodes(t, 2, nil)
	a, b := nodes[0], nodes[1]
	api := a.newAPI()
	key := a.newKey(latchkey.CreateKeyRequest{
		APIID: api, ExternalID: "user", Permissions: []string{"docs.read"},
	})
	role := must[latchkey.CreatedRole](a, a.who, "permissions.createRole",
		latchkey.CreateRoleRequest{Name: "editor", Permissions: []string{"docs.write"}})
	must[latchkey.Empty](a, a.who, "keys.updateKey", latchkey.UpdateKeyRequest{
		KeyID: key.KeyID, Roles: latchkey.Set([]string{"editor"}),
	})
	a.limit(a.who, ask("space", "u", 9))
	minted := must[latchkey.CreatedRootKey](a, a.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{Permissions: []string{"api.*.read_api"}})

	code := func(permissions latchkey.PermissionQuery) func() string {
		return func() string {
			v := must[latchkey.Verification](b, b.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
				Key: key.Key, Permissions: permissions,
			})
			return string(v.Code)
		}
	}
	limit := func() string { return fmt.Sprint(b.limit(b.who, ask("space", "u", 9)).Limit) }
	status := func(token string) func() string {
		return func() string {
			err := b.authenticate(t.Context(), token, new(Caller))
			var e *latchkey.Error
			if errors.As(err, &e) {
				return fmt.Sprint(e.Status)
			}
			return "200"
		}
	}
	for _, c := range []struct {
		what    string
		ask     func() string
		op      string
		request any
		want    string
	}{
		{"a role deleted", code("docs.write"), "permissions.deleteRole",
			latchkey.DeleteRoleRequest{Role: role.RoleID}, "INSUFFICIENT_PERMISSIONS"},
		{
			"a permission of a key", code("docs.print"), "keys.addPermissions",
			latchkey.AddPermissionsRequest{KeyID: key.KeyID, Permissions: []string{"docs.print"}},
			"VALID",
		},
		{
			"a permission taken", code("docs.print"), "keys.removePermissions",
			latchkey.RemovePermissionsRequest{
				KeyID: key.KeyID, Permissions: []string{"docs.print"},
			},
			"INSUFFICIENT_PERMISSIONS",
		},
		{
			"an override", limit, "ratelimit.setOverride",
			latchkey.SetOverrideRequest{
				Namespace: "space", Identifier: "u", Limit: latchkey.Int(5),
				Duration: latchkey.Per(time.Minute),
			},
			"5",
		},
		{"a key switched off", code(""), "keys.updateKey",
			latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(false)}, "DISABLED"},
		{"a key switched on", code(""), "keys.updateKey",
			latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(true)}, "VALID"},
		{
			"an expiry", code(""), "keys.updateKey",
			latchkey.UpdateKeyRequest{
				KeyID: key.KeyID, Expires: latchkey.Set(latchkey.AtMilli(start.UnixMilli() - 1)),
			},
			"EXPIRED",
		},
		{
			"no expiry", code(""), "keys.updateKey",
			latchkey.UpdateKeyRequest{KeyID: key.KeyID, Expires: latchkey.Null[latchkey.Time]()},
			"VALID",
		},
		{"a root key deleted", status(minted.Key), "rootKeys.deleteRootKey",
			latchkey.DeleteRootKeyRequest{RootKeyID: minted.RootKeyID}, "401"},
		{
			"an address list", code(""), "apis.updateApi",
			latchkey.UpdateAPIRequest{
				APIID: api, IPWhitelist: latchkey.Set([]string{"203.0.113.7"}),
			},
			"FORBIDDEN",
		},
		{"an API deleted", code(""), "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: api},
			"NOT_FOUND"},
	} {
		if before := c.ask(); before == c.want {
			t.Fatalf("%s: already %s before the change", c.what, before)
		}
		if _, err := a.do(a.who, c.op, c.request); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		answered := time.Now()
		for c.ask() != c.want {
			if waited := time.Since(answered); waited > time.Second {
				t.Fatalf("%s: not in force after %v", c.what, waited)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestNodeWithoutTheChangeLogDoesNotUseItsCache: a node that can't read the
// change log reads from the database.
func TestNodeWithoutTheChangeLogDoesNotUseItsCache(t *testing.T) {
	nodes := newNodes(t, 2, nil)
	a, b := nodes[0], nodes[1]
	b.stop() // its background work, and with that its ear
	b.done.Wait()
	key := a.newKey(latchkey.CreateKeyRequest{})
	if v := b.verify(key.Key); !v.Valid {
		t.Fatal(v.Code)
	}
	must[latchkey.Empty](a, a.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key.KeyID})
	deleted := time.Now()
	for b.verify(key.Key).Valid {
		if time.Since(deleted) > time.Second {
			t.Fatal("a deleted key is valid for more than a second")
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(time.Second)
	misses := b.keys.Stats().Misses
	b.verify(key.Key)
	if b.keys.Stats().Misses == misses {
		t.Error("an old value was used")
	}
}

func TestSpendsOfManyNodesAreExact(t *testing.T) {
	nodes := newNodes(t, 3, nil)
	const credits = 200
	key := nodes[0].newKey(latchkey.CreateKeyRequest{Credits: limitedTo(credits)})
	var valid atomic.Int64
	var all sync.WaitGroup
	for _, w := range nodes {
		for range 8 {
			all.Go(func() {
				for w.verify(key.Key).Valid {
					valid.Add(1)
				}
			})
		}
	}
	all.Wait()
	if n := valid.Load(); n != credits {
		t.Errorf("%d spends of %d credits", n, credits)
	}
}

// TestLimitsOfManyNodesAreExact: without Redis the nodes count in rows.
func TestLimitsOfManyNodesAreExact(t *testing.T) {
	nodes := newNodes(t, 3, nil)
	const most = 100
	var passed atomic.Int64
	var all sync.WaitGroup
	for _, w := range nodes {
		for range 8 {
			all.Go(func() {
				for range 10 {
					if w.limit(w.who, ask("space", "u", most)).Success {
						passed.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	if n := passed.Load(); n != most {
		t.Errorf("%d calls passed a limit of %d", n, most)
	}
}

func TestConcurrentNodesCreateOneFirstRootKey(t *testing.T) {
	where, master := testenv.Postgres(t), vault.NewMaster()
	var nodes []*world
	for i := range 4 {
		nodes = append(nodes, openNode(t, i, where, master, nil))
	}
	made, saved := make([]string, len(nodes)), make([]string, len(nodes))
	var all sync.WaitGroup
	for i, w := range nodes {
		all.Go(func() {
			var err error
			made[i], err = w.FirstRootKey(t.Context(), func(key string) error {
				saved[i] = key
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	count := 0
	for i := range nodes {
		if made[i] != "" {
			count++
		}
		if made[i] != saved[i] {
			t.Errorf("node %d made %q and keeps %q", i, made[i], saved[i])
		}
	}
	if n, err := nodes[0].db.CountWorkspaces(t.Context()); count != 1 || n != 1 || err != nil {
		t.Errorf("%d root keys and %d workspaces were made: %v", count, n, err)
	}
}

func TestAnotherMasterKeyIsRefused(t *testing.T) {
	where := testenv.Postgres(t)
	openNode(t, 0, where, vault.NewMaster(), nil)
	db, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := vault.New(vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{DB: db, Vault: other}); !errors.Is(
		err, vault.ErrUnknownMaster,
	) {
		t.Errorf("opened with another master key: %v", err)
	}
}

// TestRefillsOfManyNodesAreDoneOnce: each node sweeps.
func TestRefillsOfManyNodesAreDoneOnce(t *testing.T) {
	nodes := newNodes(t, 2, nil)
	key := nodes[0].newKey(latchkey.CreateKeyRequest{Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](1),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 10},
	}})
	var all sync.WaitGroup
	for _, w := range nodes {
		w.advance(25 * time.Hour)
		all.Go(func() {
			if err := w.refillDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if v := nodes[1].verify(key.Key); v.Credits.Or(-1) != 9 {
		t.Errorf("%d credits are left, want 9", v.Credits.Or(-1))
	}
	logs := must[[]latchkey.AuditLog](nodes[0], nodes[0].who, "auditLogs.listAuditLogs",
		latchkey.ListAuditLogsRequest{Event: "key.update"})
	if len(logs) != 1 {
		t.Errorf("%d refills are recorded, want 1", len(logs))
	}
}

// TestFailModesWhileTheDatabaseIsDown disconnects a node from the database and
// checks its responses in both fail modes.
func TestFailModesWhileTheDatabaseIsDown(t *testing.T) {
	server := testenv.StartPostgres(t)
	proxy := testenv.NewProxy(t, server.Addr)
	through := func(mode FailMode) func(int, *Config, *string) {
		return func(_ int, cfg *Config, where *string) {
			cfg.FailMode = mode
			*where = strings.Replace(*where, server.Addr, proxy.Addr, 1)
		}
	}
	master := vault.NewMaster()
	closed, stale := openNode(t, 0, server.URL, master, through(Closed)), openNode(t, 1, server.URL,
		master, through(Stale))
	root, err := closed.FirstRootKey(t.Context(), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	closed.root, closed.who = root, closed.caller(root)
	stale.root, stale.who = root, stale.caller(root)
	plain, paid := closed.newKey(latchkey.CreateKeyRequest{}), closed.newKey(
		latchkey.CreateKeyRequest{Credits: limitedTo(9)},
	)
	for _, w := range []*world{closed, stale} {
		w.verify(plain.Key)
		w.verify(paid.Key)
		w.verify("unknown")
	}
	time.Sleep(time.Second) // by now everybody has heard of what was made, and reads it once more
	for _, w := range []*world{closed, stale} {
		w.caller(root)
		w.verify(plain.Key)
		w.verify("unknown")
	}
	proxy.Partition()
	time.Sleep(1100 * time.Millisecond)

	begun := time.Now()
	err = closed.authenticate(t.Context(), root, new(Caller))
	var refused *latchkey.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable ||
		refused.RetryAfter == 0 {
		t.Errorf("closed: %v, want a 503", err)
	}
	var trace Trace
	who := Caller{Request: Request{Trace: &trace}}
	err = stale.authenticate(t.Context(), root, &who)
	if err != nil {
		t.Fatalf("stale: %v", err)
	}
	if v := must[latchkey.Verification](stale, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: plain.Key,
	}); !v.Valid {
		t.Errorf("stale: a key that was valid is %s", v.Code)
	}
	if trace.Stale < time.Second || stale.stale.Load() == 0 {
		t.Errorf("the answer was %v stale, and %d are counted", trace.Stale, stale.stale.Load())
	}
	if v := must[latchkey.Verification](stale, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: "unknown",
	}); v.Code != latchkey.NotFound {
		t.Errorf("stale: an unknown key is %s", v.Code)
	}
	stale.refused(who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: paid.Key},
		http.StatusServiceUnavailable, "service_unavailable")
	stale.refused(who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: "never seen"},
		http.StatusServiceUnavailable, "service_unavailable")
	stale.refused(who, "apis.createApi", latchkey.CreateAPIRequest{Name: "test"},
		http.StatusServiceUnavailable, "service_unavailable")
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("six requests took %v", took)
	}

	proxy.Heal()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var who Caller
		err := closed.authenticate(t.Context(), root, &who)
		if err == nil && who.root.id != "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the partition: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if v := closed.verify(paid.Key); v.Credits.Or(-1) != 6 {
		t.Errorf("%d credits are left, want 6: nothing was spent unseen", v.Credits.Or(-1))
	}
}

// TestNodesWithoutHeartbeatsAreDead: a node whose counter stops for three
// seconds is dead, whatever its wall clock says. No node is dead while none can
// send heartbeats.
func TestNodesWithoutHeartbeatsAreDead(t *testing.T) {
	var n nodes
	at, beats := time.Now(), map[string]int64{"a": 1, "b": 1, "c": 7}
	look := func(after time.Duration, moved ...string) (gone []string) {
		at = at.Add(after)
		for _, id := range moved {
			beats[id]++
		}
		var rows []read.Node
		for id, count := range beats {
			rows = append(rows, read.Node{ID: id, Beats: count})
		}
		return n.read(at, rows)
	}
	for i, step := range []struct {
		after time.Duration
		moved []string
		want  int
	}{
		{0, nil, 3}, // all may be running
		{time.Second, []string{"a", "b"}, 3},
		{time.Second, []string{"a", "b"}, 3},
		{time.Second, []string{"a", "b"}, 2},
		{time.Minute, nil, 3}, // the database was gone
		{time.Second, []string{"a", "b"}, 3},
		{time.Second, []string{"a"}, 3},
		{time.Second, []string{"a"}, 2},
		{time.Second, []string{"a"}, 1},
	} {
		if look(step.after, step.moved...); n.live() != step.want {
			t.Errorf("step %d: %d nodes run, want %d", i, n.live(), step.want)
		}
	}
	var gone []string
	for range 3600 {
		gone = look(time.Second, "a")
	}
	if len(gone) != 2 {
		t.Errorf("after an hour %v are taken out, want b and c", gone)
	}
}

// cutting is a limiter that cuts the connection of the change under way when it
// is first asked.
type cutting struct {
	ratelimit.Limiter
	cut   func()
	takes atomic.Int64
}

func (c *cutting) TakeOne(
	ctx context.Context, now int64, r ratelimit.Request,
) (ratelimit.Decision, error) {
	if c.takes.Add(1) == 1 {
		c.cut()
	}
	return c.Limiter.TakeOne(ctx, now, r)
}

// TestRetriedTransactionCountsOnce: the store runs a change again after its
// connection was lost, and the limit is counted once.
func TestRetriedTransactionCountsOnce(t *testing.T) {
	var url string
	w := newNodes(t, 1, func(_ int, _ *Config, where *string) { url = *where })[0]
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	limiter := &cutting{Limiter: w.limiter}
	w.limiter = limiter
	limiter.cut = func() {
		_, err := admin.Exec(
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = " +
				"current_database() AND state LIKE 'idle in transaction%'",
		)
		if err != nil {
			t.Error(err)
		}
	}
	key := w.newKey(latchkey.CreateKeyRequest{
		Credits: limitedTo(9),
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 9, Duration: latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(true),
			},
		},
	})
	who := w.who
	for _, idempotencyKey := range []string{"first", "first", "second"} {
		who.IdempotencyKey = idempotencyKey
		v := must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key,
		})
		want := map[string]int64{"first": 8, "second": 7}[idempotencyKey]
		if !v.Valid || v.Ratelimits[0].Remaining != want || v.Credits.Or(-1) != want {
			t.Errorf("%s: %s, %d remain, %d credits are left, want %d", idempotencyKey, v.Code,
				v.Ratelimits[0].Remaining, v.Credits.Or(-1), want)
		}
	}
	if n := limiter.takes.Load(); n != 2 {
		t.Errorf("counted %d times, want 2", n)
	}
	w.wantVerified(map[latchkey.Code]int{latchkey.Valid: 2})
}
