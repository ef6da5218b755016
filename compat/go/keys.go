package main

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// anyOrder ignores the order of lists whose order is not specified.
var anyOrder = cmp.Options{ratelimitIDs, cmpopts.SortSlices(
	func(a, b string) bool { return a < b })}

// newKey creates a key, and aborts the scenario on an error.
func (s *suite) newKey(
	body components.V2KeysCreateKeyRequestBody) components.V2KeysCreateKeyResponseData {
	return must(s.un.Keys.CreateKey(s.ctx, body)).V2KeysCreateKeyResponseBody.Data
}

// key reads a key.
func (s *suite) key(id string) components.KeyResponseData {
	return must(s.un.Keys.GetKey(s.ctx, components.V2KeysGetKeyRequestBody{
		KeyID: id})).V2KeysGetKeyResponseBody.Data
}

// verify verifies a key without any other parameter.
func (s *suite) verify(key string) components.V2KeysVerifyKeyResponseData {
	return s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: key})
}

func (s *suite) verifyWith(
	body components.V2KeysVerifyKeyRequestBody) components.V2KeysVerifyKeyResponseData {
	return must(s.un.Keys.VerifyKey(s.ctx, body)).V2KeysVerifyKeyResponseBody.Data
}

// keys creates a key with every property and reads it back in all four ways. Then it rerolls
// and deletes keys.
func (s *suite) keys() {
	api := s.newAPI()
	latchkey("apis", "update", api, "--store-encrypted-keys")
	create, want := s.fullKey(api)
	before := time.Now().Add(-time.Minute).UnixMilli()
	created := s.newKey(create)
	s.holds("the key has its whole prefix", strings.HasPrefix(created.Key, "my_app_"),
		"another prefix")
	want.KeyID, want.Start = created.KeyID, created.Key[:len("my_app_")+4]

	got := s.key(created.KeyID)
	s.holds("createdAt in milliseconds", before < got.CreatedAt && got.CreatedAt < before+2*60_000,
		got.CreatedAt)
	want.CreatedAt, want.Identity.ID = got.CreatedAt, got.Identity.ID
	s.same("the key by getKey", got, want, anyOrder)
	who := must(s.un.Keys.Whoami(s.ctx, components.V2KeysWhoamiRequestBody{Key: created.Key}))
	s.same("the key by whoami", who.V2KeysWhoamiResponseBody.Data, want, anyOrder)
	s.keyDecrypted(api, created.Key, want)
	s.keyVerified(created.Key, want)

	s.bareKey(api)
	s.reroll(api)
	s.deleteKey(api)
}

// fullKey returns a request for a key with every property, and the expected record.
func (s *suite) fullKey(api string) (components.V2KeysCreateKeyRequestBody,
	components.KeyResponseData) {
	role, external, slug := s.newRole(), unique("user"), unique("docs.read")
	expires := time.Now().Add(time.Hour).UnixMilli()
	create := components.V2KeysCreateKeyRequestBody{
		APIID: api, Prefix: unkey.Pointer("my_app"), Name: unkey.Pointer("full"),
		ByteLength: unkey.Pointer(int64(24)),
		ExternalID: &external, Meta: map[string]any{"plan": "pro", "seats": 3.0},
		Roles:       []string{role},
		Permissions: []string{slug}, Expires: &expires, Enabled: unkey.Pointer(true),
		Recoverable: unkey.Pointer(true),
		Credits: &components.KeyCreditsData{Remaining: unkey.Pointer(int64(50)),
			Refill: &components.KeyCreditsRefill{
				Interval: components.KeyCreditsRefillIntervalMonthly, Amount: 100,
				RefillDay: unkey.Pointer(int64(15))}},
		Ratelimits: []components.RatelimitRequest{limit("requests", 10, true),
			limit("tokens", 500, false)},
	}
	return create, components.KeyResponseData{
		Enabled: true, Name: create.Name, Meta: create.Meta, Expires: create.Expires,
		Roles:       create.Roles,
		Permissions: create.Permissions, Credits: create.Credits,
		Identity: &components.Identity{ExternalID: external},
		Ratelimits: []components.RatelimitResponse{limitResponse("requests", 10, true),
			limitResponse("tokens", 500, false)},
	}
}

// keyDecrypted reads the key with its decrypted secret.
func (s *suite) keyDecrypted(api, secret string, want components.KeyResponseData) {
	want.Plaintext = &secret
	got := must(s.un.Keys.GetKey(s.ctx, components.V2KeysGetKeyRequestBody{KeyID: want.KeyID,
		Decrypt: unkey.Pointer(true)}))
	s.same("the key decrypted by getKey", got.V2KeysGetKeyResponseBody.Data, want, anyOrder)
	list := must(s.un.Apis.ListKeys(s.ctx, components.V2ApisListKeysRequestBody{
		APIID: api, ExternalID: &want.Identity.ExternalID, Decrypt: unkey.Pointer(true),
		RevalidateKeysCache: unkey.Pointer(true)}))
	s.same("the key decrypted by listKeys", list.V2ApisListKeysResponseBody.Data,
		[]components.KeyResponseData{want}, anyOrder)
}

// keyVerified verifies the key, which costs one credit and one call of its limit.
func (s *suite) keyVerified(secret string, want components.KeyResponseData) {
	got := s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: secret,
		Tags: []string{"path=/compat", "sdk=go"}})
	limits := got.Ratelimits
	got.Ratelimits = nil
	s.same("the key by verifyKey", got, components.V2KeysVerifyKeyResponseData{
		Valid: true, Code: components.CodeValid, KeyID: &want.KeyID, Name: want.Name,
		Meta: want.Meta, Expires: want.Expires,
		Credits: unkey.Pointer(int64(49)), Enabled: unkey.Pointer(true),
		Permissions: want.Permissions, Roles: want.Roles,
		Identity: want.Identity,
	}, anyOrder)
	s.same("the limits that were checked", limits, []components.VerifyKeyRatelimitData{
		{Name: "requests", Limit: 10, Duration: day, Remaining: 9, AutoApply: true},
	}, cmpopts.IgnoreFields(components.VerifyKeyRatelimitData{}, "ID", "Reset"))
	s.holds("a limit's window ends at a multiple of its length", len(limits) == 1 &&
		limits[0].Reset%day == 0 && limits[0].Reset > time.Now().UnixMilli())
}

// bareKey makes a key of which nothing is said but its API.
func (s *suite) bareKey(api string) {
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api})
	got := s.key(created.KeyID)
	s.same("a bare key", got, components.KeyResponseData{KeyID: created.KeyID,
		Start: created.Key[:4], Enabled: true, CreatedAt: got.CreatedAt})
	s.same("a bare key verified", s.verify(created.Key), components.V2KeysVerifyKeyResponseData{
		Valid: true, Code: components.CodeValid, KeyID: &created.KeyID,
		Enabled: unkey.Pointer(true)})

	null := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api,
		Credits: &components.KeyCreditsData{}})
	s.same("a key created with remaining null has no credits", s.key(null.KeyID).Credits,
		(*components.KeyCreditsData)(nil))
}

// reroll rerolls keys without and with a grace period of one minute.
func (s *suite) reroll(api string) {
	create, _ := s.fullKey(api)
	old := s.newKey(create)
	before := s.key(old.KeyID)
	reroll := func(id string, grace int64) components.V2KeysRerollKeyResponseData {
		return must(s.un.Keys.RerollKey(s.ctx,
			components.V2KeysRerollKeyRequestBody{KeyID: id, Expiration: grace})).
			V2KeysRerollKeyResponseBody.Data
	}
	fresh := reroll(old.KeyID, 0)
	after := s.key(fresh.KeyID)
	before.KeyID, before.Start, before.CreatedAt = fresh.KeyID, fresh.Key[:len("my_app_")+4],
		after.CreatedAt
	s.same("the rerolled key", after, before, anyOrder)
	s.same("the old key, without a grace period", s.verify(old.Key).Code, components.CodeExpired)
	s.same("the new key", s.verify(fresh.Key).Code, components.CodeValid)

	again := reroll(fresh.KeyID, 60_000)
	s.same("the old key within its grace period", s.verify(fresh.Key).Code, components.CodeValid)
	s.same("the new key within the grace period", s.verify(again.Key).Code, components.CodeValid)
	s.holds("the old key expires after its grace period",
		*s.key(fresh.KeyID).Expires <= time.Now().Add(time.Minute).UnixMilli())
}

// deleteKey deletes a key softly and another permanently.
func (s *suite) deleteKey(api string) {
	for _, permanent := range []bool{false, true} {
		created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api})
		body := components.V2KeysDeleteKeyRequestBody{KeyID: created.KeyID, Permanent: &permanent}
		must(s.un.Keys.DeleteKey(s.ctx, body))
		s.same("a deleted key", s.verify(created.Key),
			components.V2KeysVerifyKeyResponseData{Code: components.CodeNotFound})
		_, err := s.un.Keys.GetKey(s.ctx, components.V2KeysGetKeyRequestBody{KeyID: created.KeyID})
		s.fails("getKey of a deleted key", err, notFound)
		_, err = s.un.Keys.Whoami(s.ctx, components.V2KeysWhoamiRequestBody{Key: created.Key})
		s.fails("whoami of a deleted key", err, notFound)
		_, err = s.un.Keys.DeleteKey(s.ctx, body)
		s.fails("a second deletion", err, notFound)
	}
}
