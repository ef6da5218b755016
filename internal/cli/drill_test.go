package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// client returns a client of the service, as its operator.
func (s *started) client() *latchkey.Client {
	s.t.Helper()
	rootKey, err := os.ReadFile(filepath.Join(s.data, "root.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := latchkey.New(latchkey.Config{
		BaseURL: s.url, RootKey: strings.TrimSpace(string(rootKey)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// ledger is what a service has acknowledged.
type ledger struct {
	valid, revoked []string // keys
	spent          int64    // credits of one key
}

// load has clients that change a service, and the ledger of all of them.
type load struct {
	*latchkey.Client
	api, paid string // an API, and a key that has credits
	mu        sync.Mutex
	ledger    ledger
}

// acknowledged returns what was acknowledged until now.
func (l *load) acknowledged() ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ledger{slices.Clone(l.ledger.valid), slices.Clone(l.ledger.revoked), l.ledger.spent}
}

func (l *load) create(ctx context.Context) (latchkey.CreatedKey, error) {
	return l.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: l.api})
}

// round makes two keys, revokes one of them, and spends a credit.
func (l *load) round(ctx context.Context) error {
	kept, err := l.create(ctx)
	if err != nil {
		return err
	}
	gone, err := l.create(ctx)
	if err != nil {
		return err
	}
	if err := l.Keys.Delete(ctx, latchkey.DeleteKeyRequest{KeyID: gone.KeyID}); err != nil {
		return err
	}
	if _, err := l.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: l.paid}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger.valid = append(l.ledger.valid, kept.Key)
	l.ledger.revoked = append(l.ledger.revoked, gone.Key)
	l.ledger.spent++
	return nil
}

const balance = 1_000_000

// newLoad prepares a service for its clients.
func newLoad(t *testing.T, c *latchkey.Client) *load {
	t.Helper()
	api, err := c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "drill"})
	if err != nil {
		t.Fatal(err)
	}
	paid, err := c.Keys.Create(t.Context(), latchkey.CreateKeyRequest{
		APIID: api.APIID, Credits: &latchkey.Credits{Remaining: latchkey.Int(balance)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &load{Client: c, api: api.APIID, paid: paid.Key}
}

// TestRestoreDrill backs up a service while clients change it, and restores the backup in
// another folder. Everything that was acknowledged before the backup began is there, and
// nothing of what came after it ended.
func TestRestoreDrill(t *testing.T) {
	s := start(t)
	l := newLoad(t, s.client())
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				if err := l.round(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	rounds := func(n int64) {
		t.Helper()
		eventually(t, "the clients make changes", func() bool {
			return l.acknowledged().spent >= n || t.Failed()
		})
	}
	rounds(50)
	before := l.acknowledged()
	file := filepath.Join(t.TempDir(), "backup")
	latchkeyIn(t, s.data, "backup", file)
	late, err := l.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rounds(l.acknowledged().spent + 10)
	stop()
	clients.Wait()
	if err := s.end(syscall.SIGKILL); err == nil {
		t.Fatal("the service was not killed")
	}

	restored := t.TempDir()
	data := filepath.Join(restored, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"master.key", "root.key"} {
		copyFile(t, filepath.Join(s.data, name), filepath.Join(data, name))
	}
	latchkeyIn(t, data, "restore", file)
	after := startIn(t, restored).client()
	l.holds(t, after, before)
	v, err := after.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: late.Key})
	if err != nil || v.Valid {
		t.Errorf("a key that is newer than the backup: %v, %v", v.Code, err)
	}
}

// holds compares a restored service with what was acknowledged before its backup began, and
// until its load ended.
func (l *load) holds(t *testing.T, restored *latchkey.Client, before ledger) {
	t.Helper()
	want := map[string]bool{}
	for _, key := range before.valid {
		want[key] = true
	}
	for _, key := range before.revoked {
		want[key] = false
	}
	for key, valid := range want {
		v, err := restored.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
		if err != nil || v.Valid != valid {
			t.Errorf("a key verifies as %v (%v), want valid: %v", v.Code, err, valid)
		}
	}
	v, err := restored.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: l.paid})
	if err != nil {
		t.Fatal(err)
	}
	left, _ := v.Credits.Get()
	most, least := balance-before.spent-1, balance-l.acknowledged().spent-4-1
	if left > most || left < least {
		t.Errorf("%d credits are left, want %d to %d", left, least, most)
	}
}

// latchkeyIn runs a command on a data folder.
func latchkeyIn(t *testing.T, data string, args ...string) string {
	t.Helper()
	cmd := exec.Command("latchkey", args...)
	cmd.Env = append(os.Environ(), hasty, "LATCHKEY_DATA="+data)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("latchkey %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
