package engine

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// TestKeyReadBeforeACommitIsNotCachedAfterIt blocks a change between its work
// and its commit, verifies the key, which caches the old state, and then lets
// the change commit. The change shares its transaction with another one that
// waits, as concurrent changes do.
func TestKeyReadBeforeACommitIsNotCachedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// a server's answers would not wait for the test
		w := &world{t: t, where: "sqlite://" + t.TempDir(), at: start}
		w.setUp()
		key := w.newKey(latchkey.CreateKeyRequest{})
		var all sync.WaitGroup
		wait := func(what string, work func(*store.Tx)) {
			all.Go(func() {
				err := w.db.Update(t.Context(), func(_ context.Context, tx *store.Tx) error {
					work(tx)
					return nil
				})
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
			synctest.Wait()
		}
		first, last, held := make(chan bool), make(chan bool), false
		wait("the change that all wait for", func(*store.Tx) { <-first })
		all.Go(func() {
			must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
				KeyID: key.KeyID, Enabled: latchkey.Set(false),
			})
		})
		synctest.Wait()
		wait("the change that holds the commit", func(tx *store.Tx) {
			row, err := tx.KeyByHash(t.Context(), hashOf(key.Key).String(), w.who.root.workspace)
			held = err == nil && !row.Key.Enabled
			<-last
		})
		first <- true
		synctest.Wait()
		if v := w.verify(key.Key); !held || !v.Valid {
			t.Fatalf("before the commit: the change has been made (%v), and the key is %s", held,
				v.Code)
		}
		last <- true
		all.Wait()
		if v := w.verify(key.Key); v.Code != latchkey.Disabled {
			t.Errorf("after the commit the key is %s", v.Code)
		}
	})
}

// TestChangesApplyUnderConcurrentReads: many callers verify a key while it
// changes, and none of them leaves an old state in the cache.
func TestChangesApplyUnderConcurrentReads(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	var all sync.WaitGroup
	ended := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					w.verify(key.Key)
				}
			}
		})
	}
	for i := range 50 {
		enabled, want := i%2 == 1, latchkey.Disabled
		if enabled {
			want = latchkey.Valid
		}
		must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
			KeyID: key.KeyID, Enabled: latchkey.Set(enabled),
		})
		if v := w.verify(key.Key); v.Code != want {
			t.Errorf("change %d: the next verification says %s, want %s", i, v.Code, want)
			break
		}
	}
	close(ended)
	all.Wait()
}

// TestChangeDuringALoadInvalidatesTheLoadedValue: a change that commits while a
// value is being loaded invalidates it, because its rows may have been read
// before.
func TestChangeDuringALoadInvalidatesTheLoadedValue(t *testing.T) {
	w := newWorld(t)
	w.awaitLogReading()
	key := w.newKey(latchkey.CreateKeyRequest{})
	w.limit(w.who, ask("space", "u", 9))
	space, err := w.namespace(t.Context(), &w.who, "space")
	if err != nil {
		t.Fatal(err)
	}
	loadKey := func(hash keyHash) func(
		context.Context, coherence.Version, keyRef,
	) (*keySnapshot, error) {
		return func(ctx context.Context, v coherence.Version, _ keyRef) (*keySnapshot, error) {
			return w.loadKey(ctx, v, hash.String(), w.who.root.workspace)
		}
	}
	none, noSpace := hashOf("none"), namespaceRef{w.who.WorkspaceID(), "none"}
	spoils(w, w.keys, "a key", key.KeyID, keyRef{}, loadKey(hashOf(key.Key)))
	spoils(w, w.keys, "an unknown key", none.String(), keyRef{}, loadKey(none))
	spoils(w, w.roots, "a root key", w.who.root.id, hashOf(w.root), w.loadRootKey)
	spoils(w, w.roots, "an unknown root key", none.String(), none, w.loadRootKey)
	spoils(w, w.spaces, "a namespace", space.id, namespaceRef{w.who.WorkspaceID(), "space"},
		w.loadNamespace)
	spoils(w, w.spaces, "an unknown namespace", noSpace.String(), noSpace, w.loadNamespace)
}

// spoils loads a value with and without a change of an entity since its version.
func spoils[K coherence.Key, V coherence.Value](
	w *world, c *coherence.Cache[K, V], what, entity string, key K,
	load func(context.Context, coherence.Version, K) (V, error),
) {
	w.t.Helper()
	asOf := w.source.Clock.Version()
	if v, err := load(w.t.Context(), asOf, key); err != nil || !c.Reuse(0, v) {
		w.t.Errorf("%s, without a change: not used, or error %v", what, err)
	}
	w.source.Clock.Invalidate(entity)
	if v, err := load(w.t.Context(), asOf, key); err != nil || c.Reuse(0, v) {
		w.t.Errorf("%s that was changed since its reading began: used, or error %v", what, err)
	}
}

// TestCommitOfUnknownOutcomeInvalidatesTheCache: the response to a commit is
// lost. The caller gets an error, and the node must not use its cache, because
// the change log doesn't report its own changes.
func TestCommitOfUnknownOutcomeInvalidatesTheCache(t *testing.T) {
	server := testenv.StartPostgres(t)
	proxy := testenv.NewProxy(t, server.Addr)
	where := strings.Replace(server.URL, server.Addr, proxy.Addr, 1)
	w := openNode(t, 0, where, vault.NewMaster(), nil)
	w.enroll()
	w.awaitLogReading()
	key := w.newKey(latchkey.CreateKeyRequest{})
	cached, err := w.snapshot(t.Context(), &w.who, hashOf(key.Key))
	if err != nil || !w.keys.Reuse(0, cached) {
		t.Fatalf("the key isn't in memory: %v", err)
	}
	proxy.OnServer(func(sent []byte) bool { return bytes.Contains(sent, []byte("COMMIT\x00")) })
	w.refused(w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key.KeyID},
		http.StatusServiceUnavailable, "service_unavailable")
	proxy.OnServer(nil)
	if w.keys.Reuse(0, cached) {
		t.Error("the key of before is used")
	}
	if v := w.verify(key.Key); v.Code != latchkey.NotFound {
		t.Errorf("the key is %s though its deletion is committed", v.Code)
	}
}
