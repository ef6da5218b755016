package main

import (
	"time"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// verification makes the server respond with every code.
func (s *suite) verification() {
	api := s.newAPI()
	code := func(what string, got components.V2KeysVerifyKeyResponseData, want components.Code) {
		s.same(what, got.Code, want)
		s.same(what+", valid", got.Valid, want == components.CodeValid)
	}
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api})
	code("a good key", s.verify(created.Key), components.CodeValid)
	s.same("an unknown key", s.verify(unique("sk")),
		components.V2KeysVerifyKeyResponseData{Code: components.CodeNotFound})
	s.same("a root key", s.verify(env("ROOT_KEY")),
		components.V2KeysVerifyKeyResponseData{Code: components.CodeNotFound})

	disabled := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api,
		Enabled: unkey.Pointer(false)})
	code("a disabled key", s.verify(disabled.Key), components.CodeDisabled)
	past := time.Now().Add(-time.Minute).UnixMilli()
	expired := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api, Expires: &past})
	code("an expired key", s.verify(expired.Key), components.CodeExpired)

	s.spending(api, code)
	s.permissionQueries(api, code)

	latchkey("apis", "update", api, "--ip-whitelist=192.0.2.7")
	code("a key from an address that is not listed", s.verify(created.Key),
		components.CodeForbidden)
	latchkey("apis", "update", api, "--ip-whitelist=192.0.2.7,127.0.0.0/8,::1")
	code("a key from a listed network", s.verify(created.Key), components.CodeValid)
}

type codeCheck func(what string, got components.V2KeysVerifyKeyResponseData, want components.Code)

// spending verifies a key with different costs.
func (s *suite) spending(api string, code codeCheck) {
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api,
		Credits: &components.KeyCreditsData{Remaining: unkey.Pointer(int64(5))}})
	spend := func(cost int64) components.V2KeysVerifyKeyResponseData {
		return s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: created.Key,
			Credits: &components.KeysVerifyKeyCredits{Cost: cost}})
	}
	balance := func(what string, got components.V2KeysVerifyKeyResponseData, want int64) {
		s.same(what+", credits", got.Credits, &want)
	}
	got := spend(3)
	code("a cost within the balance", got, components.CodeValid)
	balance("a cost within the balance", got, 2)
	got = spend(3)
	code("a cost above the balance", got, components.CodeUsageExceeded)
	balance("a cost above the balance", got, 2)
	got = s.verify(created.Key)
	code("the default cost", got, components.CodeValid)
	balance("the default cost", got, 1)
	spend(1)
	code("an empty balance", s.verify(created.Key), components.CodeUsageExceeded)
	got = spend(0)
	code("no cost", got, components.CodeValid)
	balance("no cost", got, 0)
}

// permissionQueries checks queries for permissions that a key has and does not have.
func (s *suite) permissionQueries(api string, code codeCheck) {
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api,
		Permissions: []string{"docs.read", "docs.write"}})
	ask := func(query string) components.V2KeysVerifyKeyResponseData {
		return s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: created.Key,
			Permissions: &query})
	}
	for _, query := range []string{"docs.read", "docs.read AND docs.write",
		"docs.delete OR docs.write", "docs.read and (docs.delete or docs.write)"} {
		code(query, ask(query), components.CodeValid)
	}
	for _, query := range []string{"docs.delete", "docs.read AND docs.delete", "docs.*",
		"(docs.delete OR docs.admin) AND docs.read"} {
		code(query, ask(query), components.CodeInsufficientPermissions)
	}
	query := "docs.read AND ("
	_, err := s.un.Keys.VerifyKey(s.ctx, components.V2KeysVerifyKeyRequestBody{Key: created.Key,
		Permissions: &query})
	s.fails("an invalid query", err, sdkError{badRequest.Class, 400,
		"user/bad_request/permissions_query_syntax_error"})
	got := s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: unique("sk"),
		Permissions: &query})
	code("an unknown key with an invalid query", got, components.CodeNotFound)
}

// keyLimits verifies a key until its own, its identity's and ad hoc limits deny.
func (s *suite) keyLimits() {
	api, external := s.newAPI(), unique("user")
	must(s.un.Identities.CreateIdentity(s.ctx, components.V2IdentitiesCreateIdentityRequestBody{
		ExternalID: external, Ratelimits: []components.RatelimitRequest{limit("shared", 3, true)}}))
	create := components.V2KeysCreateKeyRequestBody{APIID: api, ExternalID: &external,
		Ratelimits: []components.RatelimitRequest{limit("own", 2, false)}}
	one, other := s.newKey(create), s.newKey(create)

	own := []components.KeysVerifyKeyRatelimit{{Name: "own"}}
	ask := func(key string,
		limits []components.KeysVerifyKeyRatelimit) map[string]components.VerifyKeyRatelimitData {
		got := s.verifyWith(components.V2KeysVerifyKeyRequestBody{Key: key, Ratelimits: limits})
		byName := map[string]components.VerifyKeyRatelimitData{
			"": {Exceeded: got.Code == components.CodeRateLimited}}
		for _, l := range got.Ratelimits {
			byName[l.Name] = l
		}
		return byName
	}
	got := ask(one.Key, own)
	s.same("own limit, first", got["own"].Remaining, int64(1))
	s.same("shared limit, first", got["shared"].Remaining, int64(2))
	s.holds("limits have ids", got["own"].ID != "" && got["shared"].ID != "")
	s.same("shared limit through the other key", ask(other.Key, nil)["shared"].Remaining, int64(1))
	s.same("own limit, last", ask(one.Key, own)["own"].Remaining, int64(0))
	got = ask(one.Key, own)
	s.holds("RATE_LIMITED", got[""].Exceeded && got["own"].Exceeded && got["own"].Remaining == 0,
		got)
	s.holds("the shared limit is used up too", got["shared"].Exceeded, got)

	adHoc := []components.KeysVerifyKeyRatelimit{
		{Name: "burst", Limit: unkey.Pointer(int64(5)), Duration: unkey.Pointer(int64(day)),
			Cost: unkey.Pointer(int64(4))}}
	free := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: api})
	got = ask(free.Key, adHoc)
	s.same("an ad-hoc limit", got["burst"], components.VerifyKeyRatelimitData{
		Name: "burst", Limit: 5, Duration: day, Remaining: 1, Reset: got["burst"].Reset})
	s.holds("an ad-hoc limit exceeded", ask(free.Key, adHoc)["burst"].Exceeded)
	_, err := s.un.Keys.VerifyKey(s.ctx, components.V2KeysVerifyKeyRequestBody{Key: free.Key,
		Ratelimits: own})
	s.fails("a limit that does not exist", err, sdkError{"APIError", 412, ""})
}
