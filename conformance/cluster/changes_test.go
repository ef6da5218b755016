package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// maxLag is the maximum time between the response to a change and its effect on another node.
const maxLag = time.Second

// changeCase is one change: change makes it on a node, and applied reports whether another node has
// applied it.
type changeCase struct {
	change  func(context.Context, *node) error
	applied func(context.Context, *node) (bool, error)
}

// changeKinds are the kinds of changes that other nodes must apply. Each function sets up one case.
var changeKinds = map[string]func(t *testing.T, c *latchkey.Client) changeCase{
	"key deleted": func(t *testing.T, c *latchkey.Client) changeCase {
		key := newKey(t, c, latchkey.CreateKeyRequest{})
		return changeCase{func(ctx context.Context, c *node) error {
			return c.Keys.Delete(ctx, latchkey.DeleteKeyRequest{KeyID: key.KeyID})
		}, verifiesAs(key.Key, latchkey.NotFound)}
	},
	"key disabled": func(t *testing.T, c *latchkey.Client) changeCase {
		key := newKey(t, c, latchkey.CreateKeyRequest{})
		return changeCase{func(ctx context.Context, c *node) error {
			return c.Keys.Update(ctx, latchkey.UpdateKeyRequest{KeyID: key.KeyID,
				Enabled: latchkey.Set(false)})
		}, verifiesAs(key.Key, latchkey.Disabled)}
	},
	"key rerolled": func(t *testing.T, c *latchkey.Client) changeCase {
		key := newKey(t, c, latchkey.CreateKeyRequest{})
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Keys.Reroll(ctx, latchkey.RerollKeyRequest{KeyID: key.KeyID,
				Expiration: latchkey.Set(latchkey.Duration{})})
			return err
		}, verifiesAs(key.Key, latchkey.Expired)}
	},
	"permission taken from a key": func(t *testing.T, c *latchkey.Client) changeCase {
		key := newKey(t, c, latchkey.CreateKeyRequest{Permissions: []string{"docs.read"}})
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Keys.SetPermissions(ctx,
				latchkey.SetPermissionsRequest{KeyID: key.KeyID, Permissions: []string{}})
			return err
		}, respondsWith(latchkey.VerifyKeyRequest{Key: key.Key, Permissions: "docs.read"},
			latchkey.InsufficientPermissions)}
	},
	"permission taken from a role": func(t *testing.T, c *latchkey.Client) changeCase {
		role, key := keyWithRole(t, c)
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Permissions.SetRolePermissions(ctx,
				latchkey.SetRolePermissionsRequest{RoleID: role, Permissions: []string{}})
			return err
		}, respondsWith(latchkey.VerifyKeyRequest{Key: key, Permissions: "docs.write"},
			latchkey.InsufficientPermissions)}
	},
	"role deleted": func(t *testing.T, c *latchkey.Client) changeCase {
		role, key := keyWithRole(t, c)
		return changeCase{func(ctx context.Context, c *node) error {
			return c.Permissions.DeleteRole(ctx, latchkey.DeleteRoleRequest{Role: role})
		}, respondsWith(latchkey.VerifyKeyRequest{Key: key, Permissions: "docs.write"},
			latchkey.InsufficientPermissions)}
	},
	"limit of an identity": func(t *testing.T, c *latchkey.Client) changeCase {
		owner := name("user")
		wide := []latchkey.RatelimitRequest{
			{Name: "calls", Limit: 1 << 40, Duration: month, AutoApply: latchkey.Set(true)}}
		if _, err := c.Identities.Create(t.Context(),
			latchkey.CreateIdentityRequest{ExternalID: owner, Ratelimits: wide}); err != nil {
			t.Fatal(err)
		}
		key := newKey(t, c, latchkey.CreateKeyRequest{ExternalID: owner})
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Identities.Update(ctx,
				latchkey.UpdateIdentityRequest{Identity: owner,
					Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{
						{Name: "calls", Limit: 77, Duration: latchkey.Per(time.Hour),
							AutoApply: latchkey.Set(true)},
					})})
			return err
		}, func(ctx context.Context, c *node) (bool, error) {
			v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
			return len(v.Ratelimits) == 1 && v.Ratelimits[0].Limit == 77, err
		}}
	},
	"identity disabled": func(t *testing.T, c *latchkey.Client) changeCase {
		owner := name("user")
		key := newKey(t, c, latchkey.CreateKeyRequest{ExternalID: owner})
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Identities.Update(ctx,
				latchkey.UpdateIdentityRequest{Identity: owner, Enabled: latchkey.Set(false)})
			return err
		}, verifiesAs(key.Key, latchkey.Disabled)}
	},
	"override set": func(t *testing.T, c *latchkey.Client) changeCase {
		space := name("space")
		ask := latchkey.LimitRequest{Namespace: space, Identifier: "somebody", Limit: 1 << 40,
			Duration: month}
		if _, err := c.Ratelimits.Limit(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.Ratelimits.SetOverride(ctx,
				latchkey.SetOverrideRequest{Namespace: space, Identifier: "some*", Limit: latchkey.Int(0),
					Duration: month})
			return err
		}, func(ctx context.Context, c *node) (bool, error) {
			r, err := c.Ratelimits.Limit(ctx, ask)
			return !r.Success, err
		}}
	},
	"root key disabled": func(t *testing.T, c *latchkey.Client) changeCase {
		created, err := c.RootKeys.Create(t.Context(),
			latchkey.CreateRootKeyRequest{Permissions: []string{"api.*.verify_key"}})
		if err != nil {
			t.Fatal(err)
		}
		var holder *latchkey.Client
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.RootKeys.Update(ctx,
				latchkey.UpdateRootKeyRequest{RootKeyID: created.RootKeyID,
					Enabled: latchkey.Set(false)})
			return err
		}, func(ctx context.Context, c *node) (bool, error) {
			if holder == nil {
				holder = connect(t, c.URL, created.Key)
			}
			_, err := holder.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: "no_such_key"})
			if errors.Is(err, latchkey.ErrForbidden) {
				return true, nil
			}
			return false, err
		}}
	},
	"addresses of an API": func(t *testing.T, c *latchkey.Client) changeCase {
		api := newAPI(t, c)
		key := newKey(t, c, latchkey.CreateKeyRequest{APIID: api})
		return changeCase{func(ctx context.Context, c *node) error {
			_, err := c.APIs.Update(ctx, latchkey.UpdateAPIRequest{APIID: api,
				IPWhitelist: latchkey.Set([]string{"192.0.2.0/24"})})
			return err
		}, verifiesAs(key.Key, latchkey.Forbidden)}
	},
}

// verifiesAs returns a function that reports whether a verification of key has this code.
func verifiesAs(key string, code latchkey.Code) func(context.Context, *node) (bool, error) {
	return respondsWith(latchkey.VerifyKeyRequest{Key: key}, code)
}

func respondsWith(
	r latchkey.VerifyKeyRequest, code latchkey.Code,
) func(context.Context, *node) (bool, error) {
	return func(ctx context.Context, c *node) (bool, error) {
		v, err := c.Keys.Verify(ctx, r)
		return v.Code == code, err
	}
}

// keyWithRole creates a role with the permission docs.write, and a key with that role.
func keyWithRole(t *testing.T, c *latchkey.Client) (role, key string) {
	t.Helper()
	text := name("role")
	created, err := c.Permissions.CreateRole(t.Context(),
		latchkey.CreateRoleRequest{Name: text, Permissions: []string{"docs.write"}})
	if err != nil {
		t.Fatal(err)
	}
	return created.RoleID, newKey(t, c, latchkey.CreateKeyRequest{Roles: []string{text}}).Key
}

// TestEveryNodeAppliesChangesWithinASecond makes changes on one node, under traffic, and polls
// another node until it has applied them. An applied change must stay applied.
func TestEveryNodeAppliesChangesWithinASecond(t *testing.T) {
	const rounds = 20
	c := start(t, settings{nodes: 3, database: testenv.Postgres(t), redis: testenv.Redis(t)})
	stop := traffic(t, c)
	defer stop()
	var mu sync.Mutex
	var lags []time.Duration
	var all sync.WaitGroup
	for kind, make := range changeKinds {
		all.Go(func() {
			for round := range rounds {
				s := make(t, c.Client)
				from, to := c.nodes[round%3], c.nodes[(round+1)%3]
				lag, err := measureLag(t.Context(), s, from, to)
				if err != nil || lag > maxLag {
					t.Errorf("%s, round %d: applied after %v, %v", kind, round, lag, err)
					return
				}
				mu.Lock()
				lags = append(lags, lag)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(lags)
	if len(lags) > 0 {
		t.Logf("%d changes: median %v, p99 %v, longest %v", len(lags), lags[len(lags)/2],
			lags[len(lags)*99/100], lags[len(lags)-1])
	}
}

// measureLag makes a change on one node and returns the time from its response until another node
// has applied it.
func measureLag(ctx context.Context, s changeCase, from, to *node) (time.Duration, error) {
	if already, err := s.applied(ctx, to); err != nil || already {
		return 0, errors.Join(err, errors.New("the change was already applied"))
	}
	if err := s.change(ctx, from); err != nil {
		return 0, err
	}
	for responded := time.Now(); ; {
		sent := time.Now()
		switch done, err := s.applied(ctx, to); {
		case err != nil:
			return 0, err
		case done:
			lag := max(0, sent.Sub(responded))
			return lag, staysApplied(ctx, s, to)
		case sent.Sub(responded) > 10*maxLag:
			return sent.Sub(responded), nil
		}
	}
}

// staysApplied checks a few more times.
func staysApplied(ctx context.Context, s changeCase, to *node) error {
	for range 5 {
		if still, err := s.applied(ctx, to); err != nil || !still {
			return errors.Join(err, errors.New("the change was undone"))
		}
	}
	return nil
}

// traffic verifies a key on all nodes until the returned function is called. Every verification
// must
// succeed.
func traffic(t *testing.T, c *cluster) (stop func()) {
	t.Helper()
	key := newKey(t, c.Client, latchkey.CreateKeyRequest{}).Key
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() {
			for ctx.Err() == nil {
				v, err := n.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key})
				if ctx.Err() == nil && (err != nil || !v.Valid) {
					t.Errorf("traffic: %s, %v", v.Code, err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}
