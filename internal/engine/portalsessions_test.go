package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkeyhq/latchkey"
)

// newCode makes a session of an end user with these scopes, all by default, and returns the
// code of its URL.
func (w *world) newCode(who Caller, portal, externalID string, scopes ...string) string {
	w.t.Helper()
	who.Origin = "https://latchkey.test"
	made := must[latchkey.CreatedPortalSession](w, who, "portal.createSession",
		sessionRequest(portal, externalID, scopes...))
	u, err := url.Parse(made.URL)
	if err != nil || !strings.HasPrefix(made.URL, "https://latchkey.test/portal?code=pst_") ||
		!strings.HasPrefix(made.ID, "ps_") {
		w.t.Fatalf("%+v %v", made, err)
	}
	return u.Query().Get("code")
}

func sessionRequest(
	portal, externalID string, scopes ...string,
) latchkey.CreatePortalSessionRequest {
	if scopes == nil {
		scopes = []string{"keys:reroll", "analytics:read"}
	}
	return latchkey.CreatePortalSessionRequest{
		Portal: portal, ExternalID: externalID, Scopes: append([]string{"keys:read"}, scopes...),
	}
}

// newSession is newCode with the code exchanged: it returns the access token.
func (w *world) newSession(who Caller, portal, externalID string, scopes ...string) string {
	w.t.Helper()
	return w.exchange(w.newCode(who, portal, externalID, scopes...)).AccessToken
}

// anybody is a caller without a root key.
func anybody() Caller {
	return Caller{Request: Request{RequestID: "req_test"}, root: anonymousRootKey}
}

func (w *world) exchange(code string) latchkey.PortalAccess {
	w.t.Helper()
	return must[latchkey.PortalAccess](w, anybody(), "portal.exchangeCode",
		latchkey.ExchangePortalCodeRequest{Code: code})
}

// endUser is the caller with an access token.
func (w *world) endUser(name, accessToken string) Caller {
	w.t.Helper()
	op, _ := Lookup(name)
	call := &Call{PortalSession: accessToken}
	call.Request = Request{RequestID: "req_test", RemoteIP: "192.0.2.1", UserAgent: "browser"}
	if err := w.authenticateSession(w.t.Context(), op, call); err != nil {
		w.t.Fatalf("portal session: %v", err)
	}
	return call.Caller
}

// status is the result of an operation that an end user calls.
func (w *world) status(name, accessToken, body string) (status int, code string) {
	w.t.Helper()
	op, _ := Lookup(name)
	return w.serve(op, &Call{PortalSession: accessToken, Body: []byte(body)})
}

// want checks whether an access token works.
func (w *world) want(accessToken string, works bool, when string) {
	w.t.Helper()
	status, code := w.status("portal.listKeys", accessToken, "{}")
	if works && status != 200 || !works && (status != 401 || code != "portal_session_not_found") {
		w.t.Errorf("%s: %d %s, works: %v", when, status, code, works)
	}
}

// refusedCode checks that a code can't be exchanged.
func (w *world) refusedCode(code string) {
	w.t.Helper()
	w.refused(anybody(), "portal.exchangeCode", latchkey.ExchangePortalCodeRequest{Code: code},
		401, "portal_session_not_found")
}

// TestCodesWorkOnce: a code can be exchanged once, within a quarter of an hour, and the
// access token is not a code, nor a code an access token.
func TestCodesWorkOnce(t *testing.T) {
	w := newWorld(t)
	portal := w.newPortal(w.newAPI(), "shop")
	code := w.newCode(w.who, portal, "user")
	w.want(code, false, "a code")
	got := w.exchange(code)
	if !strings.HasPrefix(got.AccessToken, "pat_") ||
		got.ExpiresAt.UnixMilli() != start.Add(24*time.Hour).UnixMilli() {
		t.Errorf("%+v", got)
	}
	w.want(got.AccessToken, true, "exchanged")
	w.refusedCode(code)
	w.refusedCode(got.AccessToken)
	w.refusedCode("pst_" + strings.Repeat("1", 33))
	w.refusedCode("x")
	w.want(got.AccessToken, true, "after a second exchange")

	late, last := w.newCode(w.who, portal, "user"), w.newCode(w.who, portal, "user")
	w.advance(15*time.Minute - time.Millisecond)
	w.exchange(last)
	w.advance(time.Millisecond)
	w.refusedCode(late)
	w.advance(24*time.Hour - 15*time.Minute - time.Millisecond)
	w.want(got.AccessToken, true, "just before its end")
	w.advance(time.Millisecond)
	w.want(got.AccessToken, false, "at its end")
}

// TestConcurrentExchangesGiveOneSession: of many that exchange a code at the same time, one
// gets an access token.
func TestConcurrentExchangesGiveOneSession(t *testing.T) {
	w := newWorld(t)
	code := w.newCode(w.who, w.newPortal(w.newAPI(), "shop"), "user")
	op, _ := Lookup("portal.exchangeCode")
	var wait sync.WaitGroup
	var mu sync.Mutex
	var tokens []string
	for range 16 {
		wait.Go(func() {
			answer, err := w.Serve(context.Background(), op,
				&Call{Value: &latchkey.ExchangePortalCodeRequest{Code: code}})
			mu.Lock()
			defer mu.Unlock()
			var refused *latchkey.Error
			switch {
			case err == nil:
				tokens = append(tokens, answer.Data.(latchkey.PortalAccess).AccessToken)
			case !errors.As(err, &refused) || refused.Code() != "portal_session_not_found":
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d access tokens", len(tokens))
	}
	w.want(tokens[0], true, "the one")
}

// TestSecretsOfSessionsAreStoredHashed: nothing in the database gives a session away, not
// even the saved response to a request with an Idempotency-Key.
func TestSecretsOfSessionsAreStoredHashed(t *testing.T) {
	w := newWorld(t)
	portal := w.newPortal(w.newAPI(), "shop")
	who := w.who
	who.IdempotencyKey = "once"
	code := w.newCode(who, portal, "user")
	if again := w.newCode(who, portal, "user"); again != code {
		t.Error("a repeated request made another session")
	}
	token := w.exchange(code).AccessToken
	for _, table := range []string{"portal_sessions", "audit_logs", "answers"} {
		text := w.dump(table)
		if text == "" || strings.Contains(text, code) || strings.Contains(text, token) {
			t.Errorf("%s has a secret, or no rows: %d bytes", table, len(text))
		}
	}
}

// dump is everything in a table.
func (w *world) dump(table string) string {
	w.t.Helper()
	rows, err := w.raw().Query("SELECT * FROM " + table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	var text strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			w.t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintf(&text, "%s\n", *v.(*any))
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return text.String()
}

// TestSessionsEndWithWhatTheyDependOn: what is deleted or disabled ends sessions and codes
// from the next request on. A root key, an identity or a workspace that is enabled again
// brings them back; a portal doesn't.
func TestSessionsEndWithWhatTheyDependOn(t *testing.T) {
	w := newWorld(t)
	type fixture struct {
		who               Caller
		root, api, portal string
	}
	enable := func(name, id string, enabled bool) func(f *fixture) {
		return func(f *fixture) {
			ids := map[string]string{"rootKeyId": f.root, "portal": f.portal, "identity": "user"}
			if _, err := w.do(w.who, name, object{id: ids[id], "enabled": enabled}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		end, back func(f *fixture)
		backWorks bool
	}{
		"a deleted root key": {end: func(f *fixture) {
			must[latchkey.Empty](w, w.who, "rootKeys.deleteRootKey",
				latchkey.DeleteRootKeyRequest{RootKeyID: f.root})
		}},
		"a disabled root key": {
			end:       enable("rootKeys.updateRootKey", "rootKeyId", false),
			back:      enable("rootKeys.updateRootKey", "rootKeyId", true),
			backWorks: true,
		},
		"an expired root key": {end: func(f *fixture) {
			must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey",
				latchkey.UpdateRootKeyRequest{
					RootKeyID: f.root, Expires: latchkey.Set(latchkey.AtMilli(w.Engine.now() - 1)),
				})
		}},
		"a deleted API": {end: func(f *fixture) {
			must[latchkey.Empty](w, w.who, "apis.deleteApi",
				latchkey.DeleteAPIRequest{APIID: f.api})
		}},
		"a deleted identity": {
			end: func(*fixture) {
				if _, err := w.do(w.who, "identities.deleteIdentity",
					latchkey.DeleteIdentityRequest{Identity: "user"}); err != nil {
					t.Fatal(err)
				}
			},
			back: func(*fixture) {
				must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
					latchkey.CreateIdentityRequest{ExternalID: "user"})
			},
		},
		"a disabled identity": {
			end:       enable("identities.updateIdentity", "identity", false),
			back:      enable("identities.updateIdentity", "identity", true),
			backWorks: true,
		},
		"a deleted portal": {end: func(f *fixture) {
			must[latchkey.Empty](w, w.who, "portal.deletePortal",
				latchkey.DeletePortalRequest{Portal: f.portal})
		}},
		"a disabled portal": {
			end:  enable("portal.updatePortal", "portal", false),
			back: enable("portal.updatePortal", "portal", true),
		},
		"a portal for another keyspace": {
			end: func(f *fixture) {
				must[latchkey.Portal](w, w.who, "portal.updatePortal", latchkey.UpdatePortalRequest{
					Portal: f.portal, KeyspaceID: latchkey.Set(w.keyspace(w.newAPI())),
				})
			},
			back: func(f *fixture) {
				must[latchkey.Portal](w, w.who, "portal.updatePortal", latchkey.UpdatePortalRequest{
					Portal: f.portal, KeyspaceID: latchkey.Set(w.keyspace(f.api)),
				})
			},
		},
		"revoked sessions": {end: func(f *fixture) {
			got := must[latchkey.RevokedPortalSessions](w, w.who, "portal.revokeSession",
				latchkey.RevokePortalSessionsRequest{Portal: f.portal, ExternalID: "user"})
			if got.SessionsRevoked != 2 {
				t.Errorf("%d sessions revoked, want 2", got.SessionsRevoked)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fixture{api: w.newAPI()}
			f.portal = w.newPortal(f.api, "shop")
			w.newKey(latchkey.CreateKeyRequest{APIID: f.api, ExternalID: "user"})
			made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{
				Permissions: latchkey.AllPermissions(),
			})
			f.root, f.who = made.RootKeyID, w.caller(made.Key)
			token, code := w.newSession(f.who, f.portal, "user"), w.newCode(f.who, f.portal, "user")
			other := w.newSession(w.who, w.newPortal(w.newAPI(), "other"), "another")
			w.want(token, true, "before")
			c.end(f)
			w.want(token, false, "after")
			w.refusedCode(code)
			w.want(other, true, "another session")
			if c.back != nil {
				c.back(f)
				w.want(token, c.backWorks, "when it is back")
			}
			for _, slug := range []string{"shop", "other"} {
				_, _ = w.do(w.who, "portal.deletePortal", latchkey.DeletePortalRequest{Portal: slug})
			}
		})
	}
}

// TestSessionsCanDoNoMoreThanTheirRootKey: each scope needs its permissions when a session is
// created, and works only while the root key has them.
func TestSessionsCanDoNoMoreThanTheirRootKey(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	portal := w.newPortal(api, "shop")
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "user"})
	session := "portal." + portal + ".create_portal_session"
	of := func(action string) string { return "api." + api + "." + action }
	read := []string{session, of("read_key"), of("read_api")}
	reroll := append(slices.Clone(read), of("create_key"))
	for _, c := range []struct {
		held   []string
		scopes []string
		status int
	}{
		{[]string{session}, []string{}, 403},
		{[]string{session, of("read_key")}, []string{}, 403},
		{[]string{session, of("read_api")}, []string{}, 403},
		{read, []string{}, 200},
		{read, []string{"keys:reroll"}, 403},
		{reroll, []string{"keys:reroll"}, 200},
		{reroll, []string{"keys:reroll", "analytics:read"}, 403},
		{append(slices.Clone(read), of("read_analytics")), []string{"analytics:read"}, 200},
		{read[1:], []string{}, 404},
		{append(read[1:], "portal.pc_other.create_portal_session"), []string{}, 404},
		{[]string{session, "api.api_other.read_key", "api.api_other.read_api"}, []string{}, 403},
		{[]string{w.resource("projects/*/portals/*/sessions/*", "write"),
			w.resource("projects/*/**", "read")}, []string{}, 200},
	} {
		who := w.grant(c.held...)
		who.Origin = "https://latchkey.test"
		_, err := w.do(who, "portal.createSession", sessionRequest(portal, "user", c.scopes...))
		var refused *latchkey.Error
		if c.status == 200 && err != nil ||
			c.status != 200 && (!errors.As(err, &refused) || refused.Status != c.status) {
			t.Errorf("%v with %v: %v, want %d", c.scopes, c.held, err, c.status)
		}
	}

	made := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: reroll})
	token := w.newSession(w.caller(made.Key), portal, "user", "keys:reroll")
	hold := func(held []string) {
		must[latchkey.RootKey](w, w.who, "rootKeys.updateRootKey",
			latchkey.UpdateRootKeyRequest{RootKeyID: made.RootKeyID, Permissions: latchkey.Set(held)})
	}
	body := fmt.Sprintf(`{"keyId":%q,"expiration":0}`, key.KeyID)
	check := func(name, body string, want int) {
		t.Helper()
		if status, code := w.status(name, token, body); status != want {
			t.Errorf("%s: %d %s, want %d", name, status, code, want)
		}
	}
	check("portal.getVerifications", `{"startTime":1,"endTime":2}`, 403) // it lacks the scope
	hold(read)
	check("portal.listKeys", "{}", 200)
	check("portal.rerollKey", body, 403)
	hold([]string{session})
	check("portal.listKeys", "{}", 403)
	hold(reroll)
	check("portal.rerollKey", body, 200)

	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: api, StrictGrants: latchkey.Set(true), StoreEncryptedKeys: latchkey.Set(true),
	})
	who := w.caller(made.Key)
	for _, more := range []string{of("encrypt_key"), of("update_key")} {
		w.refused(who, "portal.createSession", sessionRequest(portal, "user", "keys:reroll"),
			403, "insufficient_permissions")
		hold(append(reroll, more))
		reroll = append(reroll, more)
		who = w.caller(made.Key)
	}
	w.newSession(who, portal, "user", "keys:reroll")
}

// TestSessionsReachTheKeysOfTheirEndUser: an end user lists and replaces his own keys in the
// keyspace of the portal. All others don't exist. Lists have no secrets.
func TestSessionsReachTheKeysOfTheirEndUser(t *testing.T) {
	w := newWorld(t)
	api, elsewhere := w.newAPI(), w.newAPI()
	for _, id := range []string{api, elsewhere} {
		must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
			APIID: id, StoreEncryptedKeys: latchkey.Set(true),
		})
	}
	mine := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, ExternalID: "user", Recoverable: true, Name: "mine",
	})
	foreign := []string{
		w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "other"}).KeyID,
		w.newKey(latchkey.CreateKeyRequest{APIID: api}).KeyID,
		w.newKey(latchkey.CreateKeyRequest{APIID: elsewhere, ExternalID: "user"}).KeyID,
		"key_unknown",
	}
	stranger := w.otherWorkspace()
	theirs := must[latchkey.CreatedAPI](w, stranger, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "test"})
	foreign = append(foreign, must[latchkey.CreatedKey](w, stranger, "keys.createKey",
		latchkey.CreateKeyRequest{APIID: theirs.APIID, ExternalID: "user"}).KeyID)
	portal := w.newPortal(api, "shop")
	token := w.newSession(w.who, portal, "user")
	list := func(token string) []latchkey.Key {
		t.Helper()
		return must[[]latchkey.Key](w, w.endUser("portal.listKeys", token), "portal.listKeys",
			latchkey.ListPortalKeysRequest{})
	}
	keys := list(token)
	if len(keys) != 1 || keys[0].KeyID != mine.KeyID || keys[0].Name != "mine" ||
		keys[0].Plaintext != "" || len(keys[0].Start) >= len(mine.Key) {
		t.Errorf("%+v", keys)
	}
	reroll := func(id string) (int, string) {
		return w.status("portal.rerollKey", token, fmt.Sprintf(`{"keyId":%q,"expiration":null}`, id))
	}
	verifications := func(id string) (int, string) {
		return w.status("portal.getVerifications", token,
			fmt.Sprintf(`{"startTime":1,"endTime":2,"keyId":%q}`, id))
	}
	for _, id := range foreign {
		for _, ask := range []func(string) (int, string){reroll, verifications} {
			if status, code := ask(id); status != 404 || code != "key_not_found" {
				t.Errorf("%s: %d %s", id, status, code)
			}
		}
	}
	made := must[latchkey.CreatedKey](w, w.endUser("portal.rerollKey", token), "portal.rerollKey",
		latchkey.RerollKeyRequest{KeyID: mine.KeyID, Expiration: latchkey.Set(latchkey.Per(0))})
	if v := w.verify(made.Key); !v.Valid || v.Name != "mine" || v.Identity.ExternalID != "user" {
		t.Errorf("the new key: %+v", v)
	}
	if v := w.verify(mine.Key); v.Code != latchkey.Expired {
		t.Errorf("the old key: %+v", v)
	}
	if log := w.auditLogs(w.who.WorkspaceID())[0]; log.Actor.Type != "portalEndUser" ||
		log.Actor.Name != "user" || !strings.HasPrefix(log.Actor.ID, "ps_") {
		t.Errorf("the actor of the reroll: %+v", log)
	}
	if got := list(w.newSession(w.who, portal, "nobody")); len(got) != 0 {
		t.Errorf("keys of nobody: %+v", got)
	}
	w.exec("UPDATE keys SET identity_id = ''")
	if got := list(w.newSession(w.who, portal, "nobody")); len(got) != 0 {
		t.Errorf("keys without an identity: %+v", got)
	}
}

// TestEndUsersCanNotFillTheWorkspace: an end user with as many keys as he can have replaces
// none, because the old one stays.
func TestEndUsersCanNotFillTheWorkspace(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: "user"}).KeyID
	token := w.newSession(w.who, w.newPortal(api, "shop"), "user")
	body := fmt.Sprintf(`{"keyId":%q,"expiration":null}`, key)
	copies := func(n int) {
		w.exec(fmt.Sprintf(`INSERT INTO keys SELECT id || '%d', workspace_id, api_id, identity_id,
			hash || '%[1]d', migration_id, start, name, meta, enabled, expires,
			created_at, updated_at, last_used_at, deleted_at, family FROM keys WHERE id = '%[2]s'`, n, key))
	}
	for n := range maxPortalKeys - 2 {
		copies(n)
	}
	if status, code := w.status("portal.rerollKey", token, body); status != 200 {
		t.Fatalf("the last one: %d %s", status, code)
	}
	if status, code := w.status("portal.rerollKey", token, body); status != 403 ||
		code != "workspace_quota_exceeded" {
		t.Errorf("one more: %d %s", status, code)
	}
}

// TestSessionsOfAnEndUserAreFew: a new session ends an older one if there are too many,
// pending ones first. What has expired is deleted and makes room.
func TestSessionsOfAnEndUserAreFew(t *testing.T) {
	w := newWorld(t)
	portal := w.newPortal(w.newAPI(), "shop")
	var tokens []string
	for range maxSessions - 1 {
		tokens = append(tokens, w.newSession(w.who, portal, "user"))
		w.advance(time.Second)
	}
	pending := w.newCode(w.who, portal, "user")
	tokens = append(tokens, w.newSession(w.who, portal, "user")) // it ends the pending one
	w.refusedCode(pending)
	w.want(tokens[0], true, "the oldest")
	tokens = append(tokens, w.newSession(w.who, portal, "user"))
	w.want(tokens[0], false, "the oldest after one too many")
	w.want(tokens[1], true, "the second")
	w.newSession(w.who, portal, "other")
	if n := w.amount(w.who, quotaPortalSessions); n != maxSessions+1 {
		t.Errorf("%d sessions are counted, want %d", n, maxSessions+1)
	}
	w.advance(24 * time.Hour)
	live := w.newSession(w.who, portal, "user") // it deletes one of the expired
	if err := w.dropPortalSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(live, true, "the live one")
	if n, rows := w.amount(w.who, quotaPortalSessions),
		w.number("SELECT COUNT(*) FROM portal_sessions"); n != 1 || rows != 1 {
		t.Errorf("%d sessions are counted and %d stored, want 1", n, rows)
	}
}

// TestSessionsAreListedByEndUser: pages have every end user with a live session once, in
// order, with his sessions, the newest first.
func TestSessionsAreListedByEndUser(t *testing.T) {
	w := newWorld(t)
	portal := w.newPortal(w.newAPI(), "shop")
	w.newCode(w.who, w.newPortal(w.newAPI(), "other"), "elsewhere")
	w.newSession(w.who, portal, "gone", []string{}...)
	w.advance(24 * time.Hour)
	users := []string{"User", "a%b", "a_b", "user b", "user é", "user@example.com"}
	for _, user := range users {
		w.newCode(w.who, portal, user, "keys:reroll")
		w.advance(time.Second)
		w.newSession(w.who, portal, user, []string{}...)
	}
	list := func(r latchkey.ListPortalSessionsRequest) (got []latchkey.PortalUser) {
		t.Helper()
		for r.Portal = "shop"; ; {
			answer, err := w.do(w.who, "portal.listSessions", r)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answer.Data.([]latchkey.PortalUser)...)
			if r.Cursor = answer.Pagination.Cursor; r.Cursor == "" {
				return got
			}
		}
	}
	names := func(of []latchkey.PortalUser) (all []string) {
		for _, u := range of {
			all = append(all, u.ExternalID)
		}
		return all
	}
	for _, limit := range []int{1, 4, 100} {
		got := list(latchkey.ListPortalSessionsRequest{Limit: limit})
		if diff := cmp.Diff(users, names(got)); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
		at := got[0].Sessions[1].CreatedAt.UnixMilli()
		want := []latchkey.PortalSession{
			{Status: "active", CreatedAt: latchkey.AtMilli(at + 1000),
				ExpiresAt: latchkey.AtMilli(at + 1000 + 24*60*60_000), Scopes: []string{"keys:read"}},
			{Status: "pending", CreatedAt: latchkey.AtMilli(at),
				ExpiresAt: latchkey.AtMilli(at + 15*60_000),
				Scopes:    []string{"keys:read", "keys:reroll"}},
		}
		if diff := cmp.Diff(want, got[0].Sessions, cmpopts.EquateComparable(latchkey.Time{}),
			cmpopts.IgnoreFields(latchkey.PortalSession{}, "ID")); diff != "" {
			t.Error(diff)
		}
	}
	for search, want := range map[string][]string{
		"a%": {"a%b"}, "a_": {"a_b"}, "user": {"user b", "user é", "user@example.com"},
		"user é": {"user é"}, "U": {"User"}, "x": nil, "ser": nil,
	} {
		got := list(latchkey.ListPortalSessionsRequest{Search: search, Limit: 2})
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("%q: %s", search, diff)
		}
	}
	must[latchkey.Portal](w, w.who, "portal.updatePortal",
		latchkey.UpdatePortalRequest{Portal: "shop", Enabled: latchkey.Set(false)})
	if got := list(latchkey.ListPortalSessionsRequest{}); len(got) != 0 {
		t.Errorf("a disabled portal has sessions: %v", names(got))
	}
	w.refused(w.who, "portal.createSession", sessionRequest("shop", "user"), 403, "forbidden")
}

// TestSessionsCountOnTheRequestLimit: requests of end users count for the workspace.
func TestSessionsCountOnTheRequestLimit(t *testing.T) {
	w := newWorld(t)
	who := w.otherWorkspace()
	api := must[latchkey.CreatedAPI](w, who, "apis.createApi",
		latchkey.CreateAPIRequest{Name: "test"}).APIID
	token := w.newSession(who, w.createPortal(who, api, "shop"), "user")
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{
			WorkspaceID: who.WorkspaceID(), RequestsPerMinute: latchkey.Set[int64](1),
		})
	w.want(token, true, "the first request")
	if status, code := w.status("portal.listKeys", token, "{}"); status != 429 ||
		code != "workspace_rate_limited" {
		t.Errorf("the second: %d %s", status, code)
	}
	must[latchkey.Workspace](w, w.who, "workspaces.updateWorkspace",
		latchkey.UpdateWorkspaceRequest{
			WorkspaceID: who.WorkspaceID(), RequestsPerMinute: latchkey.Null[int64](),
			Enabled: latchkey.Set(false),
		})
	w.want(token, false, "in a disabled workspace")
}

// TestPortalURLIsConfigured: the configured page wins over where the request came to, and
// without either there is none.
func TestPortalURLIsConfigured(t *testing.T) {
	w := newWorld(t)
	who := Caller{Request: Request{Origin: "http://127.0.0.1:7070"}}
	for _, c := range []struct{ page, origin, want string }{
		{"", "http://127.0.0.1:7070", "http://127.0.0.1:7070/portal?code=c%26d"},
		{"https://example.com/a?b=1", "http://x", "https://example.com/a?b=1&code=c%26d"},
		{"https://example.com", "", "https://example.com?code=c%26d"},
		{"", "", ""}, {"", "http://a b", ""},
	} {
		w.portalPage, who.Origin = c.page, c.origin
		got, err := w.portalURL(&who, "c&d")
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q %v", c, got, err)
		}
	}
	for _, page := range []string{"example.com", "/portal", "javascript:alert(1)", "https://"} {
		if _, err := (Config{PortalURL: page}).filled(); err == nil {
			t.Errorf("%s is accepted", page)
		}
	}
}
