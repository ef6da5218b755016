package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers held by the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// rowOfKey makes what the store returns for a key: each text is one of its own.
func rowOfKey(n int, text func(string) string) *read.KeyByHashRow {
	row := &read.KeyByHashRow{
		KeyspaceID: text("ks_123456789"), WorkspaceEnabled: true, IdentityEnabled: true,
	}
	row.Key = read.Key{
		ID: fmt.Sprintf("key_%09d", n), APIID: text("api_123456789"),
		WorkspaceID: text("ws_123456789"), Enabled: true,
	}
	return row
}

// TestCachedKeyWeightMatchesItsMemory: the bound of the cache bounds memory
// only if the weights are right, and a plain key must take less than half a
// kilobyte.
func TestCachedKeyWeightMatchesItsMemory(t *testing.T) {
	text := func(s string) string { return string([]byte(s)) }
	limit := func() latchkey.Ratelimit {
		return latchkey.Ratelimit{
			ID: text("rl_123456789"), Name: text("requests"), Limit: 5,
			Duration: latchkey.Per(time.Minute),
		}
	}
	kinds := map[string]func(*read.KeyByHashRow, *storedGrants){
		"plain": func(*read.KeyByHashRow, *storedGrants) {},
		"named": func(r *read.KeyByHashRow, _ *storedGrants) {
			r.Key.Name, r.Key.Meta = text("the key of the mobile app"), text(
				`{"plan":"pro","seats":12,"owner":"somebody"}`,
			)
		},
		"limited": func(_ *read.KeyByHashRow, h *storedGrants) {
			h.limits = []latchkey.Ratelimit{limit()}
		},
		"granted": func(_ *read.KeyByHashRow, h *storedGrants) {
			for i := range 10 {
				h.permissions = append(h.permissions, text(fmt.Sprintf("documents.%d.read", i)))
			}
			h.roles, h.roleIDs = []string{text("reader")}, []string{text("role_123456789")}
		},
		"identified": func(r *read.KeyByHashRow, h *storedGrants) {
			r.Key.IdentityID, r.ExternalID, r.IdentityMeta = text("id_123456789"), text(
				"customer-17",
			), text(`{"plan":"pro"}`)
			h.shared = []latchkey.Ratelimit{limit(), limit()}
		},
	}
	e := &Engine{source: &coherence.Source{
		Clock:   coherence.NewClock(false),
		Breaker: coherence.NewBreaker(store.IsUnavailable, slog.New(slog.DiscardHandler)),
	}}
	const n = 5_000
	for name, with := range kinds {
		t.Run(name, func(t *testing.T) {
			before, weight := heap(), 0
			c := coherence.NewCache(e.source, 1<<30, 1<<30, weighKey)
			defer c.Close()
			for i := range n {
				row, held := rowOfKey(i, text), new(storedGrants)
				with(row, held)
				ref := hashOf(row.Key.ID).in(hashOf("ws"))
				k, _, err := c.Get(t.Context(), 0, ref, func(
					_ context.Context, asOf coherence.Version,
				) (*keySnapshot, error) {
					return e.newSnapshot(asOf, row, held)
				})
				if err != nil {
					t.Fatal(err)
				}
				weight += int(weighKey(ref, k))
			}
			took, weighed := float64(heap()-before)/n, float64(weight)/n
			t.Logf("a key takes %.0f bytes and weighs %.0f", took, weighed)
			if ratio := weighed / took; ratio < 0.8 || ratio > 1.25 {
				t.Errorf("a key takes %.0f bytes and weighs %.0f", took, weighed)
			}
			if name == "plain" && took > 512 {
				t.Errorf("a plain key takes %.0f bytes", took)
			}
			runtime.KeepAlive(c)
		})
	}
}

// Keys of one identity share its metadata, and a long permission of a root key weighs what
// it is.
func TestLargeValuesAreSharedAndWeighed(t *testing.T) {
	meta := func() string { return strings.Repeat("m", 64<<10) }
	e := new(Engine)
	row := func() *read.KeyByHashRow {
		r := rowOfKey(1, strings.Clone)
		r.Key.IdentityID, r.ExternalID, r.IdentityMeta = "id_1", "customer", meta()
		return r
	}
	before, asOf := heap(), coherence.NewClock(false).Version()
	keys := make([]*keySnapshot, 100)
	for i := range keys {
		var err error
		if keys[i], err = e.newSnapshot(asOf, row(), new(storedGrants)); err != nil {
			t.Fatal(err)
		}
	}
	if took := heap() - before; took > 10*64<<10 {
		t.Errorf("100 keys with one identity's metadata of 64 KiB take %d KiB", took>>10)
	}
	runtime.KeepAlive(keys)
	permissions := make([]string, 1000)
	for i := range permissions {
		permissions[i] = fmt.Sprintf("%0512d", i)
	}
	root := &rootKey{grants: rbac.NewGrants("ws_1", permissions)}
	if n := weighRootKey(keyHash{}, root); n < 512_000 || n > 700_000 {
		t.Errorf("a root key with 1,000 permissions of 512 bytes weighs %d bytes", n)
	}
}
