package embedded

import (
	"errors"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// TestVerificationsAllocateLittle: the client's call with its request, the answer
// and the request's id; and of a limit where it stands.
func TestVerificationsAllocateLittle(t *testing.T) {
	limits := []latchkey.RatelimitRequest{
		{
			Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour),
			AutoApply: latchkey.Set(true),
		},
	}
	for name, c := range map[string]struct {
		key   latchkey.CreateKeyRequest
		query latchkey.PermissionQuery
		want  float64
	}{
		"plain":     {want: 3},
		"one limit": {key: latchkey.CreateKeyRequest{Ratelimits: limits}, want: 4},
		"a query": {
			key:   latchkey.CreateKeyRequest{Permissions: []string{"docs.read"}},
			query: "docs.read OR docs.write", want: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Data: t.TempDir()} // limits are counted here, not over a connection
			s, key := serviceOn(t, cfg, c.key)
			request := latchkey.VerifyKeyRequest{Key: key, Permissions: c.query}
			if n := testing.AllocsPerRun(1_000, func() {
				if v, err := s.Client.Keys.Verify(t.Context(), request); err != nil || !v.Valid {
					t.Fatal(v.Code, err)
				}
			}); n > c.want {
				t.Errorf("%v allocations a call, want %v", n, c.want)
			}
		})
	}
}

// TestLimitsAllocateLittle: what a verification does, and nothing besides.
func TestLimitsAllocateLittle(t *testing.T) {
	const want = 3
	s, _ := serviceOn(t, Config{Data: t.TempDir()}, latchkey.CreateKeyRequest{})
	limit := func() {
		if r, err := s.Client.Ratelimits.Limit(t.Context(), oneIdentifier); err != nil ||
			!r.Success {
			t.Fatal(r, err)
		}
	}
	// it begins with one that makes the namespace
	if n := testing.AllocsPerRun(1_000, limit); n > want {
		t.Errorf("%v allocations a call, want %v", n, want)
	}
}

// TestARememberedRootKeyIsRefusedAtOnce: that a service knows who calls it all
// the time changes nothing in how soon it learns what became of the root key.
func TestARememberedRootKeyIsRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(operator *latchkey.Client, id string, now *time.Time) error
		want  error
	}{
		"deleted": {func(o *latchkey.Client, id string, _ *time.Time) error {
			return o.RootKeys.Delete(t.Context(), latchkey.DeleteRootKeyRequest{RootKeyID: id})
		}, latchkey.ErrUnauthorized},
		"disabled": {func(o *latchkey.Client, id string, _ *time.Time) error {
			_, err := o.RootKeys.Update(t.Context(), latchkey.UpdateRootKeyRequest{
				RootKeyID: id, Enabled: latchkey.Set(false),
			})
			return err
		}, latchkey.ErrForbidden},
		"expired": {func(_ *latchkey.Client, _ string, now *time.Time) error {
			*now = now.Add(2 * time.Hour)
			return nil
		}, latchkey.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			cfg := quiet(newDir(t))
			cfg.Now = func() time.Time { return now }
			s := open(t, cfg)
			made, err := s.Client.RootKeys.Create(t.Context(), latchkey.CreateRootKeyRequest{
				Permissions: []string{"api.*.read_api"}, Expires: latchkey.At(now.Add(time.Hour)),
			})
			if err != nil {
				t.Fatal(err)
			}
			closed(t, s)

			s = open(t, cfg)
			t.Cleanup(func() { closed(t, s) })
			first := client(t, s, made.Key)
			for range 2 { // the first to call is the one that is remembered
				if _, err := first.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.spoil(s.Client, made.RootKeyID, &now); err != nil {
				t.Fatal(err)
			}
			if _, err := first.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); !errors.Is(err, c.want) {
				t.Errorf("the root key: %v, want %v", err, c.want)
			}
			_, err = client(t, s, latchkey.FormatRootKey("another")).APIs.List(t.Context(),
				latchkey.ListAPIsRequest{})
			if !errors.Is(err, latchkey.ErrUnauthorized) {
				t.Errorf("another root key: %v", err)
			}
		})
	}
}
