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
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// TestAKeyReadBeforeTheCommitIsNotUsedAfterIt holds a change back between its
// work and its commit, has a verification read the key as it was until then, and
// lets the change be committed. The change shares its transaction with another
// one that waits, as changes do which arrive together.
func TestAKeyReadBeforeTheCommitIsNotUsedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, where: t.TempDir(), at: start} // a server's answers would not wait for the test
		w.setUp()
		key := w.newKey(latchkey.CreateKeyRequest{})
		var all sync.WaitGroup
		wait := func(what string, work func(*store.Tx)) {
			all.Go(func() {
				err := w.db.Update(t.Context(), func(_ context.Context, tx *store.Tx) error { work(tx); return nil })
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
			synctest.Wait()
		}
		first, last, held := make(chan bool), make(chan bool), false
		wait("the change that all wait for", func(*store.Tx) { <-first })
		all.Go(func() {
			must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(false)})
		})
		synctest.Wait()
		wait("the change that holds the commit", func(tx *store.Tx) {
			row, err := tx.KeyByHash(t.Context(), hashOf(key.Key).String())
			held = err == nil && !row.Key.Enabled
			<-last
		})
		first <- true
		synctest.Wait()
		if v := w.verify(key.Key); !held || !v.Valid {
			t.Fatalf("before the commit: the change has been made (%v), and the key is %s", held, v.Code)
		}
		last <- true
		all.Wait()
		if v := w.verify(key.Key); v.Code != latchkey.Disabled {
			t.Errorf("after the commit the key is %s", v.Code)
		}
	})
}

// TestAChangeIsInForceHoweverManyRead: many verify a key at any moment of its
// changes, and none of them leaves behind what the next one must not see.
func TestAChangeIsInForceHoweverManyRead(t *testing.T) {
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
		must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{KeyID: key.KeyID, Enabled: latchkey.Set(enabled)})
		if v := w.verify(key.Key); v.Code != want {
			t.Errorf("change %d: the next verification says %s, want %s", i, v.Code, want)
			break
		}
	}
	close(ended)
	all.Wait()
}

// TestWhatIsReadIsAsOldAsItsReadingsBegin: a change that is answered while
// something is being read spoils it, for the rows may have been read before.
func TestWhatIsReadIsAsOldAsItsReadingsBegin(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	w.limit(w.who, ask("space", "u", 9))
	space := spaceName{w.who.WorkspaceID(), "space"}
	known, err := w.loadNamespace(t.Context(), w.source.now(), space)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		changed string
		load    func(asOf moment) (entry, error)
	}{
		"a key": {key.KeyID, func(asOf moment) (entry, error) { return w.loadKey(t.Context(), asOf, hashOf(key.Key).String()) }},
		"an unknown key": {hashOf("unknown").String(), func(asOf moment) (entry, error) {
			return w.loadKey(t.Context(), asOf, hashOf("unknown").String())
		}},
		"a root key":          {w.who.root.id, func(asOf moment) (entry, error) { return w.loadRootKey(t.Context(), asOf, hashOf(w.root)) }},
		"an unknown root key": {hashOf("unknown").String(), func(asOf moment) (entry, error) { return w.loadRootKey(t.Context(), asOf, hashOf("unknown")) }},
		"a namespace":         {known.id, func(asOf moment) (entry, error) { return w.loadNamespace(t.Context(), asOf, space) }},
		"an unknown namespace": {spaceName{"ws", "unknown"}.String(), func(asOf moment) (entry, error) {
			return w.loadNamespace(t.Context(), asOf, spaceName{"ws", "unknown"})
		}},
	} {
		asOf := w.source.now()
		if read, err := c.load(asOf); err != nil || !w.source.usable(read.stamped()) {
			t.Errorf("%s, without a change: %v", what, err)
		}
		w.source.touch(c.changed)
		if read, err := c.load(asOf); err != nil || w.source.usable(read.stamped()) {
			t.Errorf("%s that was changed since its reading began is used (error %v)", what, err)
		}
	}
}

// TestAChangeOfUnknownOutcomeIsNotForgotten: the answer to a commit is lost. The
// caller learns that nobody knows its outcome, and the node must not go on
// answering from memory, since nobody else tells it of its own changes.
func TestAChangeOfUnknownOutcomeIsNotForgotten(t *testing.T) {
	server := testenv.StartPostgres(t)
	proxy := testenv.NewProxy(t, server.Addr)
	where := strings.Replace(server.URL, server.Addr, proxy.Addr, 1)
	w := openNode(t, 0, where, vault.NewMaster(), nil)
	w.enroll()
	key := w.newKey(latchkey.CreateKeyRequest{})
	if v := w.verify(key.Key); !v.Valid {
		t.Fatal(v.Code)
	}
	cached, ok := w.keys.known.GetIfPresent(hashOf(key.Key))
	if !ok {
		t.Fatal("the key isn't in memory")
	}
	proxy.OnServer(func(sent []byte) bool { return bytes.Contains(sent, []byte("COMMIT\x00")) })
	w.refused(w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key.KeyID}, http.StatusServiceUnavailable, "service_unavailable")
	proxy.OnServer(nil)
	if w.source.usable(cached.stamped()) {
		t.Error("the key of before is used")
	}
	if v := w.verify(key.Key); v.Code != latchkey.NotFound {
		t.Errorf("the key is %s though its deletion is committed", v.Code)
	}
}
