package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// TestVerificationChecksRunInOrder removes the failures one by one: each
// response has the code of the first that is left.
func TestVerificationChecksRunInOrder(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, IPWhitelist: latchkey.Set([]string{"198.51.100.0/24"}),
	})
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, Enabled: latchkey.Set(false), Expires: latchkey.At(w.now().Add(-time.Hour)),
		Credits: limitedTo(0),
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "auto", Limit: 1, Duration: latchkey.Per(time.Hour),
				AutoApply: latchkey.Set(true),
			},
		},
	})
	ask := func(want latchkey.Code) latchkey.Verification {
		t.Helper()
		v := must[latchkey.Verification](w, w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key, Permissions: "docs.read",
		})
		if v.Code != want || v.Valid != (want == latchkey.Valid) {
			t.Fatalf("code %s valid %v, want %s", v.Code, v.Valid, want)
		}
		return v
	}
	update := func(r latchkey.UpdateKeyRequest) {
		t.Helper()
		r.KeyID = key.KeyID
		must[latchkey.Empty](w, w.who, "keys.updateKey", r)
	}
	ask(latchkey.Disabled)
	update(latchkey.UpdateKeyRequest{Enabled: latchkey.Set(true)})
	ask(latchkey.Expired)
	update(latchkey.UpdateKeyRequest{Expires: latchkey.Null[latchkey.Time]()})
	ask(latchkey.Forbidden)
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, IPWhitelist: latchkey.Set([]string{"198.51.100.0/24", "192.0.2.1"}),
	})
	ask(latchkey.InsufficientPermissions)
	update(latchkey.UpdateKeyRequest{Permissions: latchkey.Set([]string{"docs.*"})})
	// A balance that is too small does use the rate limit; a limit that is
	// exceeded does not use the balance.
	if v := ask(latchkey.UsageExceeded); len(v.Ratelimits) != 1 || v.Ratelimits[0].Remaining != 0 {
		t.Fatalf("limits %+v, want one that is used up", v.Ratelimits)
	}
	update(latchkey.UpdateKeyRequest{
		Credits: latchkey.Set(latchkey.UpdateKeyCredits{Remaining: latchkey.Set[int64](7)}),
	})
	if v := ask(latchkey.RateLimited); v.Credits.Or(-1) != 7 || !v.Ratelimits[0].Exceeded {
		t.Fatalf("credits %d, limits %+v", v.Credits.Or(-1), v.Ratelimits)
	}
	w.advance(3 * time.Hour)
	if v := ask(latchkey.Valid); v.Credits.Or(-1) != 6 {
		t.Fatalf("%d credits left, want 6", v.Credits.Or(-1))
	}
}

// TestKeyVerifiesUpToItsExpiry: at that very millisecond it still does, as on
// Unkey's server.
func TestKeyVerifiesUpToItsExpiry(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{Expires: latchkey.At(w.now().Add(time.Hour))})
	w.advance(time.Hour)
	if v := w.verify(key.Key); v.Code != latchkey.Valid {
		t.Errorf("at its expiry: %s, want %s", v.Code, latchkey.Valid)
	}
	w.advance(time.Millisecond)
	if v := w.verify(key.Key); v.Code != latchkey.Expired {
		t.Errorf("a millisecond later: %s, want %s", v.Code, latchkey.Expired)
	}
}

// TestOnlyValidVerificationsCountAsUse: a denied verification is not a use of
// the key.
func TestOnlyValidVerificationsCountAsUse(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Hour)
	api := w.newAPI()
	blocked := []latchkey.VerifyKeyRatelimit{{
		Name: "none", Limit: latchkey.Set[int64](0),
		Duration: latchkey.Set(latchkey.Per(time.Minute)),
	}}
	for want, r := range map[latchkey.Code]latchkey.CreateKeyRequest{
		latchkey.Valid:         {APIID: api},
		latchkey.Disabled:      {APIID: api, Enabled: latchkey.Set(false)},
		latchkey.RateLimited:   {APIID: api},
		latchkey.UsageExceeded: {APIID: api, Credits: limitedTo(0)},
	} {
		key := w.newKey(r)
		request := latchkey.VerifyKeyRequest{Key: key.Key}
		if want == latchkey.RateLimited {
			request.Ratelimits = blocked
		}
		if v := must[latchkey.Verification](w, w.who, "keys.verifyKey", request); v.Code != want {
			t.Fatalf("%s, want %s", v.Code, want)
		}
		if err := w.saveUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		var used latchkey.Time
		if want == latchkey.Valid {
			used = latchkey.At(w.now())
		}
		got := must[latchkey.Key](w, w.who, "keys.getKey", latchkey.GetKeyRequest{KeyID: key.KeyID})
		if got.LastUsedAt != used {
			t.Errorf("%s: last used %v, want %v", want, got.LastUsedAt, used)
		}
	}
}

// TestIPListMatchesEveryFormOfAnAddress: in-process callers don't normalize
// their addresses.
func TestIPListMatchesEveryFormOfAnAddress(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, IPWhitelist: latchkey.Set([]string{"192.0.2.7", "fe80::/10"}),
	})
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	for address, want := range map[string]latchkey.Code{
		"192.0.2.7": latchkey.Valid, "::ffff:192.0.2.7": latchkey.Valid,
		"fe80::1%eth0":     latchkey.Valid,
		"::ffff:192.0.2.8": latchkey.Forbidden, "": latchkey.Forbidden,
	} {
		who := w.who
		who.RemoteIP = address
		v := must[latchkey.Verification](w, who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: key.Key,
		})
		if v.Code != want {
			t.Errorf("from %q: %s, want %s", address, v.Code, want)
		}
	}
}

// TestUnknownAndForeignKeysAreIndistinguishable: a response never reveals that
// another workspace has a key.
func TestUnknownAndForeignKeysAreIndistinguishable(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api})
	other := w.otherWorkspace()
	without := w.grant("api.*.read_key")
	for name, c := range map[string]struct {
		who Caller
		key string
	}{
		"unknown":            {w.who, "nobody"},
		"of another":         {other, key.Key},
		"without permission": {without, key.Key},
		"a root key":         {w.who, w.root},
	} {
		v := must[latchkey.Verification](w, c.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
			Key: c.key, Permissions: "(((",
		})
		if diff := cmp.Diff(
			latchkey.Verification{Code: latchkey.NotFound}, v,
			cmp.AllowUnexported(latchkey.Opt[int64]{}, latchkey.Opt[bool]{}),
		); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	w.refused(w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{Key: key.Key, Permissions: "((("},
		400, "permissions_query_syntax_error")
	one := w.grant("api." + api + ".verify_key")
	if v := must[latchkey.Verification](w, one, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key.Key,
	}); !v.Valid {
		t.Errorf("with the permission for one API: %s", v.Code)
	}
}

// TestChangesApplyToTheNextVerification warms the cache, makes a change and
// verifies again: on its own node a revocation has no delay.
func TestChangesApplyToTheNextVerification(t *testing.T) {
	type fixture struct {
		w              *world
		api            string
		keyID, key     string
		role, identity string
	}
	run := func(f *fixture, name string, r any) {
		f.w.t.Helper()
		if _, err := f.w.do(f.w.who, name, r); err != nil {
			f.w.t.Fatalf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		change func(*fixture)
		want   latchkey.Code
	}{
		"key deleted": {
			func(f *fixture) {
				run(f, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: f.keyID})
			},
			latchkey.NotFound,
		},
		"key deleted for good": {
			func(f *fixture) {
				run(f, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: f.keyID, Permanent: true})
			},
			latchkey.NotFound,
		},
		"key disabled": {func(f *fixture) {
			run(f, "keys.updateKey", latchkey.UpdateKeyRequest{
				KeyID: f.keyID, Enabled: latchkey.Set(false),
			})
		}, latchkey.Disabled},
		"key rerolled": {func(f *fixture) {
			run(f, "keys.rerollKey", latchkey.RerollKeyRequest{
				KeyID: f.keyID, Expiration: latchkey.Set(latchkey.Duration{}),
			})
		}, latchkey.Expired},
		"roles taken": {
			func(f *fixture) {
				run(f, "keys.setRoles", latchkey.SetRolesRequest{KeyID: f.keyID, Roles: []string{}})
			},
			latchkey.InsufficientPermissions,
		},
		"role deleted": {
			func(f *fixture) {
				run(f, "permissions.deleteRole", latchkey.DeleteRoleRequest{Role: f.role})
			},
			latchkey.InsufficientPermissions,
		},
		"role emptied": {func(f *fixture) {
			run(f, "permissions.setRolePermissions", latchkey.SetRolePermissionsRequest{
				RoleID: f.role, Permissions: []string{},
			})
		}, latchkey.InsufficientPermissions},
		"permission deleted": {func(f *fixture) {
			run(f, "permissions.deletePermission", latchkey.DeletePermissionRequest{
				Permission: "docs.read",
			})
		}, latchkey.InsufficientPermissions},
		"identity limit lowered": {func(f *fixture) {
			run(f, "identities.updateIdentity", latchkey.UpdateIdentityRequest{
				Identity: f.identity,
				Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{
					{
						Name: "shared", Limit: 1, Duration: latchkey.Per(time.Hour),
						AutoApply: latchkey.Set(true),
					},
				}),
			})
		}, latchkey.RateLimited},
		"API deleted": {
			func(f *fixture) { run(f, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: f.api}) },
			latchkey.NotFound,
		},
		"addresses restricted": {func(f *fixture) {
			run(f, "apis.updateApi", latchkey.UpdateAPIRequest{
				APIID: f.api, IPWhitelist: latchkey.Set([]string{"203.0.113.7"}),
			})
		}, latchkey.Forbidden},
		"credits ended": {func(f *fixture) {
			run(f, "keys.updateCredits", latchkey.UpdateCreditsRequest{
				KeyID: f.keyID, Operation: latchkey.SetCredits, Value: latchkey.Set[int64](0),
			})
		}, latchkey.UsageExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := &fixture{w: w, api: w.newAPI()}
			f.identity = must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
				latchkey.CreateIdentityRequest{
					ExternalID: "user_1",
					Ratelimits: []latchkey.RatelimitRequest{
						{
							Name: "shared", Limit: 100, Duration: latchkey.Per(time.Hour),
							AutoApply: latchkey.Set(true),
						},
					},
				}).IdentityID
			f.role = must[latchkey.CreatedRole](
				w, w.who, "permissions.createRole",
				latchkey.CreateRoleRequest{Name: "reader", Permissions: []string{"docs.read"}},
			).RoleID
			made := w.newKey(latchkey.CreateKeyRequest{
				APIID: f.api, ExternalID: "user_1", Roles: []string{"reader"},
			})
			f.keyID, f.key = made.KeyID, made.Key
			ask := func() latchkey.Code {
				return must[latchkey.Verification](w, w.who, "keys.verifyKey",
					latchkey.VerifyKeyRequest{Key: f.key, Permissions: "docs.read"}).Code
			}
			for range 2 {
				if code := ask(); code != latchkey.Valid {
					t.Fatalf("before the change: %s", code)
				}
			}
			c.change(f)
			if code := ask(); code != c.want {
				t.Errorf("after the change: %s, want %s", code, c.want)
			}
		})
	}
}

// TestDisabledWorkspaceFailsTheNextVerification, even for callers that were
// authenticated before, and whatever other check the key fails.
func TestDisabledWorkspaceFailsTheNextVerification(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	api := must[latchkey.CreatedAPI](w, other, "apis.createApi", latchkey.CreateAPIRequest{
		Name: "test",
	}).APIID
	ask := func(enabled bool) (code func() latchkey.Code) {
		key := must[latchkey.CreatedKey](w, other, "keys.createKey",
			latchkey.CreateKeyRequest{APIID: api, Enabled: latchkey.Set(enabled)})
		return func() latchkey.Code {
			return must[latchkey.Verification](w, other, "keys.verifyKey",
				latchkey.VerifyKeyRequest{Key: key.Key}).Code
		}
	}
	enabled, disabled := ask(true), ask(false)
	if a, b := enabled(), disabled(); a != latchkey.Valid || b != latchkey.Disabled {
		t.Fatal(a, b)
	}
	off := latchkey.UpdateWorkspaceRequest{
		WorkspaceID: other.WorkspaceID(), Enabled: latchkey.Set(false),
	}
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace", off)
	if a, b := enabled(), disabled(); a != latchkey.Forbidden || b != latchkey.Forbidden {
		t.Errorf("after the change: %s, and %s if disabled; want %s", a, b, latchkey.Forbidden)
	}
	off.WorkspaceID = w.who.WorkspaceID()
	w.refused(w.who, "workspaces.updateWorkspace", off, 412, "protected_resource")
}

// TestKeyCachedAsUnknownIsFoundOnceItExists: unknown hashes are cached too, and
// invalidated when a key with the hash is created.
func TestKeyCachedAsUnknownIsFoundOnceItExists(t *testing.T) {
	w := newWorld(t)
	const text = "legacy_key_of_another_system"
	if v := w.verify(text); v.Code != latchkey.NotFound {
		t.Fatal(v.Code)
	}
	api := w.newAPI()
	m := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256})
	must[latchkey.MigratedKeys](w, w.who, "keys.migrateKeys", latchkey.MigrateKeysRequest{
		MigrationID: m.MigrationID, APIID: api, Keys: []latchkey.MigrateKey{{Hash: hashText(text)}},
	})
	if v := w.verify(text); !v.Valid {
		t.Errorf("after its migration: %s", v.Code)
	}
}

// TestUnknownKeysDoNotEvictRealOnes: unknown keys have a cache of their own, so
// that made-up keys evict no real ones.
func TestUnknownKeysDoNotEvictRealOnes(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	w.verify(key.Key)
	for i := range 10 {
		if v := w.verify(fmt.Sprintf("made up %d", i)); v.Code != latchkey.NotFound {
			t.Fatal(v.Code)
		}
	}
	if s := w.keys.Stats(); s.Known != 1 || s.Unknown != 10 {
		t.Errorf("%d known and %d unknown keys are kept, want 1 and 10", s.Known, s.Unknown)
	}
}

func TestLimitsOfTheKeyOverrideThoseOfItsIdentity(t *testing.T) {
	w := newWorld(t)
	hour := latchkey.Per(time.Hour)
	must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
		latchkey.CreateIdentityRequest{
			ExternalID: "user_1", Ratelimits: []latchkey.RatelimitRequest{
				{Name: "requests", Limit: 100, Duration: hour, AutoApply: latchkey.Set(true)},
				{Name: "tokens", Limit: 5, Duration: hour, AutoApply: latchkey.Set(true)},
			},
		})
	api := w.newAPI()
	one := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, ExternalID: "user_1",
		Ratelimits: []latchkey.RatelimitRequest{
			{Name: "requests", Limit: 2, Duration: hour, AutoApply: latchkey.Set(false)},
		},
	})
	two := w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "user_1"})
	v := w.verify(one.Key)
	if len(v.Ratelimits) != 1 || v.Ratelimits[0].Name != "tokens" ||
		v.Ratelimits[0].Remaining != 4 {
		t.Fatalf("checked %+v; the key's own requests limit is not auto and hides the shared one",
			v.Ratelimits)
	}
	if len(v.Identity.Ratelimits) != 1 || v.Identity.Ratelimits[0].Name != "tokens" {
		t.Errorf("identity shows %+v", v.Identity.Ratelimits)
	}
	for _, state := range w.verify(two.Key).Ratelimits {
		if want := map[string]int64{
			"requests": 99, "tokens": 3,
		}[state.Name]; state.Remaining != want {
			t.Errorf("%s: %d remaining, want %d: identity limits are shared by its keys",
				state.Name, state.Remaining, want)
		}
	}
}

func TestLimitsInTheRequest(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{})
	ask := func(limits ...latchkey.VerifyKeyRatelimit) latchkey.VerifyKeyRequest {
		return latchkey.VerifyKeyRequest{Key: key.Key, Ratelimits: limits}
	}
	adHoc := latchkey.VerifyKeyRatelimit{
		Name: "burst", Limit: latchkey.Set[int64](2),
		Duration: latchkey.Set(latchkey.Per(time.Minute)),
	}
	for _, want := range []latchkey.Code{latchkey.Valid, latchkey.Valid, latchkey.RateLimited} {
		if v := must[latchkey.Verification](
			w, w.who, "keys.verifyKey", ask(adHoc),
		); v.Code != want {
			t.Fatalf("code %s, want %s", v.Code, want)
		}
	}
	zero := adHoc
	zero.Name, zero.Limit = "none", latchkey.Set[int64](0)
	if v := must[latchkey.Verification](
		w, w.who, "keys.verifyKey", ask(zero),
	); v.Code != latchkey.RateLimited {
		t.Errorf("a limit of 0: %s", v.Code)
	}
	short := adHoc
	short.Duration = latchkey.Set(latchkey.PerMilli(999))
	w.refused(w.who, "keys.verifyKey", ask(short), 400, "invalid_input")
	w.refused(w.who, "keys.verifyKey", ask(latchkey.VerifyKeyRatelimit{Name: "nosuch"}), 412,
		"precondition_failed")
}
