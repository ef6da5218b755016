package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// v1World is a world whose door for version 1 is open, with one of everything.
type v1World struct {
	*world
	names map[string]string // by $name in requests
}

func openV1World(t *testing.T, apis ...string) *v1World {
	w := &v1World{world: newWorld(t, func(c *Config) { c.V1, c.V1APIs = true, apis })}
	w.names = map[string]string{}
	create := func(name, op, body, field string) {
		w.names[name] = w.string(w.call(op, w.fill(body)), field)
	}
	create("apiId", "apis.createApi", `{"name":"payments"}`, "apiId")
	create("identityId", "identities.createIdentity", `{"externalId":"user"}`, "identityId")
	create("permissionId", "permissions.createPermission", `{"name":"p","slug":"docs.read"}`,
		"permissionId")
	create("roleId", "permissions.createRole", `{"name":"reader"}`, "roleId")
	create("overrideId", "ratelimit.limit",
		`{"namespace":"mail","identifier":"a","limit":9,"duration":60000}`, "")
	create("overrideId", "ratelimit.setOverride",
		`{"namespace":"mail","identifier":"a","limit":9,"duration":60000}`, "overrideId")
	create("migrationId", "migrations.createMigration", `{"algorithm":"sha256"}`, "migrationId")
	a := w.call("keys.createKey", w.fill(`{"apiId":"$apiId","externalId":"user","meta":{"a":1},
		"credits":{"remaining":9},"roles":["reader"],"ratelimits":[
			{"name":"default","limit":5,"duration":60000,"autoApply":true},
			{"name":"other","limit":5,"duration":60000,"autoApply":false}]}`))
	w.names["keyId"], w.names["key"] = w.string(a, "keyId"), w.string(a, "key")
	create("nobody", "rootKeys.createRootKey", `{"permissions":[]}`, "key")
	return w
}

func (w *v1World) string(a answer, field string) string {
	w.t.Helper()
	if a.status != http.StatusOK {
		w.t.Fatalf("%d %s", a.status, a.text)
	}
	s, _ := a.body.Data[field].(string)
	return s
}

func (w *v1World) fill(text string) string {
	for _, name := range []string{
		"apiId", "keyId", "key", "identityId", "permissionId", "roleId", "overrideId",
		"migrationId", "nobody",
	} {
		text = strings.ReplaceAll(text, "$"+name, w.names[name])
	}
	return text
}

// v1 sends a request and returns the status and the body.
func (w *v1World) v1(method, path, body, root string, headers ...string) (int, map[string]any) {
	w.t.Helper()
	var in io.Reader
	if method == http.MethodPost {
		in = strings.NewReader(w.fill(body))
	} else {
		path += w.fill(body)
	}
	if root != "" {
		headers = append(headers, "Authorization", "Bearer "+w.fill(root))
	}
	a := w.send(method, "/v1/"+w.fill(path), in, append(headers,
		"Content-Type", "application/json")...)
	if a.media() != "application/json" || a.header.Get("Unkey-Request-Id") == "" {
		w.t.Errorf("%s %s: %s, headers %v", method, path, a.media(), a.header)
	}
	got := map[string]any{}
	if strings.HasPrefix(a.text, "[") {
		var list []any
		_ = json.Unmarshal([]byte(a.text), &list)
		got["list"] = list
	} else if err := json.Unmarshal([]byte(a.text), &got); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, path, err, a.text)
	}
	return a.status, got
}

// v1Case is a request of a route. Body is that of a POST, or what follows the path of a GET.
type v1Case struct {
	kind, body string
	status     int
	want       string // what the response has: members, or the code of the error
}

const (
	v1Bad     = "BAD_REQUEST"
	v1Refused = "INSUFFICIENT_PERMISSIONS"
	v1Unknown = "NOT_FOUND"
)

// v1Cases has cases for each route. "refused" is sent with a root key that has no permission,
// everything else with one that has all.
var v1Cases = map[string][]v1Case{
	"liveness": {{"success", "", 200, "status services"}},

	"apis.createApi": {
		{"success", `{"name":"payments"}`, 200, "apiId"}, {"bad request", `{}`, 400, v1Bad},
		{"refused", `{"name":"payments"}`, 403, v1Refused},
	},
	"apis.getApi": {
		{"success", "?apiId=$apiId", 200, "id workspaceId name"}, {"bad request", "", 400, v1Bad},
		{"refused", "?apiId=$apiId", 403, v1Refused}, {"unknown", "?apiId=api_unknown", 404, v1Unknown},
	},
	"apis.listKeys": {
		{"success", "?apiId=$apiId", 200, "keys total cursor"},
		{"success", "?apiId=$apiId&ownerId=user&limit=1", 200, "keys total cursor"},
		{"bad request", "?apiId=$apiId&limit=many", 400, v1Bad},
		{"bad request", "?apiId=$apiId&limit=101", 400, v1Bad},
		{"refused", "?apiId=$apiId", 404, v1Unknown},
		{"unknown", "?apiId=api_unknown", 404, v1Unknown},
	},
	"apis.deleteApi": {
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"apiId":"$apiId"}`, 403, v1Refused},
		{"unknown", `{"apiId":"api_unknown"}`, 404, v1Unknown},
		{"success", `{"apiId":"$apiId"}`, 200, ""},
	},
	"apis.deleteKeys": {
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"apiId":"$apiId"}`, 404, v1Unknown},
		{"unknown", `{"apiId":"api_unknown"}`, 404, v1Unknown},
		{"success", `{"apiId":"$apiId"}`, 200, "deletedKeys"},
	},

	"keys.createKey": {
		{"success", `{"apiId":"$apiId"}`, 200, "keyId key"},
		{"success", `{"apiId":"$apiId","prefix":"sk","name":"n","byteLength":16,"ownerId":"u",
			"meta":{"a":1},"roles":["reader"],"permissions":["a.b"],"expires":4102444800000,
			"remaining":5,"refill":{"interval":"monthly","amount":9,"refillDay":3},
			"ratelimit":{"type":"fast","limit":2,"refillRate":2,"refillInterval":60000},
			"enabled":true,"environment":"test"}`, 200, "keyId key"},
		{"bad request", `{"apiId":"$apiId","remaining":0}`, 400, v1Bad},
		{"success", `{"apiId":"$apiId","remaining":5,"refill":{"interval":"daily","amount":9,
			"refillDay":null}}`, 200, "keyId key"},
		{"bad request", `{"apiId":"$apiId","refill":{"interval":"daily","amount":1}}`, 400, v1Bad},
		{"bad request", `{"apiId":"$apiId","remaining":5,"refill":{"interval":"daily","amount":1,
			"refillDay":3}}`, 400, v1Bad},
		{"bad request", `{"apiId":"$apiId","remaining":5,"refill":{"interval":"monthly","amount":1,
			"refillDay":1.5}}`, 400, v1Bad},
		{"bad request", `{"apiId":"$apiId","remaining":5,"refill":{"interval":"monthly","amount":1,
			"refillDay":32}}`, 400, v1Bad},
		{"bad request", `{"apiId":7}`, 400, v1Bad}, {"bad request", `{`, 400, v1Bad},
		{"bad request", `[]`, 400, v1Bad},
		{"refused", `{"apiId":"$apiId"}`, 404, v1Unknown},
		{"unknown", `{"apiId":"api_unknown"}`, 404, v1Unknown},
	},
	"keys.verifyKey": {
		{"success", `{"key":"$key"}`, 200,
			"valid code keyId ownerId meta remaining ratelimit enabled roles identity requestId"},
		{"success", `{"key":"$key","apiId":"$apiId","ratelimit":{"cost":2},"remaining":{"cost":0},
			"authorization":{"permissions":{"or":["a",{"and":["b","c"]}]}}}`, 200, "valid code"},
		{"bad request", `{}`, 400, v1Bad},
		{"bad request", `{"key":"$key","authorization":{"permissions":{}}}`, 400, v1Bad},
		{"refused", `{"key":"$key"}`, 200, "valid code requestId"},
		{"unknown", `{"key":"unknown"}`, 200, "valid code requestId"},
	},
	"keys.getKey": {
		{"success", "?keyId=$keyId", 200, "id start workspaceId apiId ownerId meta createdAt " +
			"remaining ratelimit roles enabled identity"},
		{"bad request", "", 400, v1Bad}, {"refused", "?keyId=$keyId", 403, v1Refused},
		{"unknown", "?keyId=key_unknown", 404, v1Unknown},
	},
	"keys.whoami": {
		{"success", `{"key":"$key"}`, 200, "id createdAt enabled remaining identity meta"},
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"key":"$key"}`, 404, v1Unknown},
		{"unknown", `{"key":"unknown"}`, 404, v1Unknown},
	},
	"keys.updateKey": {
		{"success", `{"keyId":"$keyId","name":null,"ownerId":"other","meta":null,"expires":null,
			"remaining":7,"refill":{"interval":"daily","amount":1},"ratelimit":null,"enabled":true,
			"roles":[{"name":"writer","create":true}],"permissions":[{"id":"$permissionId"}]}`,
			200, ""},
		{"bad request", `{"keyId":"$keyId","remaining":-1}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","name":"n"}`, 403, v1Refused},
		{"unknown", `{"keyId":"key_unknown","name":"n"}`, 404, v1Unknown},
	},
	"keys.updateRemaining": {
		{"success", `{"keyId":"$keyId","op":"increment","value":2}`, 200, "remaining"},
		{"success", `{"keyId":"$keyId","op":"set","value":null}`, 200, "remaining"},
		{"bad request", `{"keyId":"$keyId","op":"multiply","value":1}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","op":"set","value":1}`, 403, v1Refused},
		{"unknown", `{"keyId":"key_unknown","op":"set","value":1}`, 404, v1Unknown},
	},
	"keys.deleteKey": {
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"keyId":"$keyId"}`, 403, v1Refused},
		{"unknown", `{"keyId":"key_unknown"}`, 404, v1Unknown},
		{"success", `{"keyId":"$keyId"}`, 200, ""},
	},
	"keys.getVerifications": {{"success", "?keyId=$keyId", 412, "PRECONDITION_FAILED"}},
	"keys.addPermissions": {
		{"success", `{"keyId":"$keyId","permissions":[{"name":"new","create":true}]}`, 200, "list"},
		{"bad request", `{"keyId":"$keyId","permissions":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","permissions":[{"name":"docs.read"}]}`, 403, v1Refused},
		{"unknown", `{"keyId":"$keyId","permissions":[{"name":"unknown"}]}`, 404, v1Unknown},
	},
	"keys.setPermissions": {
		{"success", `{"keyId":"$keyId","permissions":[{"id":"$permissionId"}]}`, 200, "list"},
		{"bad request", `{"permissions":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","permissions":[]}`, 403, v1Refused},
		{"unknown", `{"keyId":"key_unknown","permissions":[]}`, 404, v1Unknown},
	},
	"keys.removePermissions": {
		{"success", `{"keyId":"$keyId","permissions":[{"name":"docs.read"}]}`, 200, ""},
		{"bad request", `{"keyId":"$keyId","permissions":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","permissions":[{"name":"docs.read"}]}`, 403, v1Refused},
		{"unknown", `{"keyId":"$keyId","permissions":[{"name":"unknown"}]}`, 404, v1Unknown},
	},
	"keys.addRoles": {
		{"success", `{"keyId":"$keyId","roles":[{"name":"new","create":true}]}`, 200, "list"},
		{"bad request", `{"keyId":"$keyId","roles":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","roles":[{"name":"reader"}]}`, 403, v1Refused},
		{"unknown", `{"keyId":"$keyId","roles":[{"name":"unknown"}]}`, 404, v1Unknown},
	},
	"keys.setRoles": {
		{"success", `{"keyId":"$keyId","roles":[{"id":"$roleId"}]}`, 200, "list"},
		{"bad request", `{"roles":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","roles":[]}`, 403, v1Refused},
		{"unknown", `{"keyId":"key_unknown","roles":[]}`, 404, v1Unknown},
	},
	"keys.removeRoles": {
		{"success", `{"keyId":"$keyId","roles":[{"name":"reader"}]}`, 200, ""},
		{"bad request", `{"keyId":"$keyId","roles":[]}`, 400, v1Bad},
		{"refused", `{"keyId":"$keyId","roles":[{"name":"reader"}]}`, 403, v1Refused},
		{"unknown", `{"keyId":"$keyId","roles":[{"name":"unknown"}]}`, 404, v1Unknown},
	},

	"permissions.createPermission": {
		{"success", `{"name":"docs.write","description":"May write"}`, 200, "permissionId"},
		{"bad request", `{"name":"a b"}`, 400, v1Bad},
		{"refused", `{"name":"docs.write"}`, 403, v1Refused},
		{"unknown", `{"name":"docs.read"}`, 409, "CONFLICT"},
	},
	"permissions.getPermission": {
		{"success", "?permissionId=$permissionId", 200, "id name"}, {"bad request", "", 400, v1Bad},
		{"refused", "?permissionId=$permissionId", 403, v1Refused},
		{"unknown", "?permissionId=perm_unknown", 404, v1Unknown},
	},
	"permissions.listPermissions": {
		{"success", "", 200, "list"}, {"refused", "", 403, v1Refused},
	},
	"permissions.deletePermission": {
		{"bad request", `{}`, 400, v1Bad},
		{"refused", `{"permissionId":"$permissionId"}`, 403, v1Refused},
		{"unknown", `{"permissionId":"perm_unknown"}`, 404, v1Unknown},
		{"success", `{"permissionId":"$permissionId"}`, 200, ""},
	},
	"permissions.createRole": {
		{"success", `{"name":"writer"}`, 200, "roleId"}, {"bad request", `{}`, 400, v1Bad},
		{"refused", `{"name":"writer"}`, 403, v1Refused},
		{"unknown", `{"name":"reader"}`, 409, "CONFLICT"},
	},
	"permissions.getRole": {
		{"success", "?roleId=$roleId", 200, "id name"}, {"bad request", "", 400, v1Bad},
		{"refused", "?roleId=$roleId", 403, v1Refused},
		{"unknown", "?roleId=role_unknown", 404, v1Unknown},
	},
	"permissions.listRoles": {{"success", "", 200, "list"}, {"refused", "", 403, v1Refused}},
	"permissions.deleteRole": {
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"roleId":"$roleId"}`, 403, v1Refused},
		{"unknown", `{"roleId":"role_unknown"}`, 404, v1Unknown},
		{"success", `{"roleId":"$roleId"}`, 200, ""},
	},

	"identities.createIdentity": {
		{"success", `{"externalId":"other","meta":{"a":1},
			"ratelimits":[{"name":"calls","limit":1,"duration":60000}]}`, 200, "identityId"},
		{"bad request", `{}`, 400, v1Bad}, {"refused", `{"externalId":"third"}`, 403, v1Refused},
		{"unknown", `{"externalId":"user"}`, 409, "CONFLICT"},
	},
	"identities.getIdentity": {
		{"success", "?externalId=user", 200, "id externalId meta ratelimits"},
		{"success", "?identityId=$identityId", 200, "id externalId meta ratelimits"},
		{"bad request", "", 400, v1Bad}, {"refused", "?externalId=user", 403, v1Refused},
		{"unknown", "?externalId=unknown", 404, v1Unknown},
	},
	"identities.listIdentities": {
		{"success", "?limit=1", 200, "identities total"}, {"bad request", "?limit=0x", 400, v1Bad},
		{"refused", "", 403, v1Refused},
	},
	"identities.updateIdentity": {
		{"success", `{"externalId":"user","meta":{"b":2},"ratelimits":[]}`, 200,
			"id externalId meta ratelimits"},
		{"bad request", `{}`, 400, v1Bad},
		{"refused", `{"externalId":"user","meta":{}}`, 403, v1Refused},
		{"unknown", `{"externalId":"unknown","meta":{}}`, 404, v1Unknown},
	},
	"identities.deleteIdentity": {
		{"bad request", `{}`, 400, v1Bad},
		{"refused", `{"identityId":"$identityId"}`, 403, v1Refused},
		{"unknown", `{"identityId":"id_unknown"}`, 404, v1Unknown},
		{"success", `{"identityId":"$identityId"}`, 200, ""},
	},

	"ratelimits.limit": {
		{"success", `{"identifier":"a","limit":2,"duration":60000,"cost":1,"async":true}`, 200,
			"success limit remaining reset"},
		{"bad request", `{"identifier":"a","limit":0,"duration":60000}`, 400, v1Bad},
		{"refused", `{"namespace":"mail","identifier":"a","limit":2,"duration":60000}`, 403, v1Refused},
		{"unknown", `{"namespace":"new","identifier":"a","limit":2,"duration":60000}`, 200, "success"},
	},
	"ratelimits.setOverride": {
		{"success", `{"namespaceName":"mail","identifier":"b","limit":0,"duration":60000}`, 200,
			"overrideId"},
		{"bad request", `{"namespaceName":"mail","identifier":"b","duration":60000}`, 400, v1Bad},
		{"refused", `{"namespaceName":"mail","identifier":"b","limit":0,"duration":60000}`, 403,
			v1Refused},
		{"unknown", `{"namespaceId":"none","identifier":"b","limit":0,"duration":60000}`, 404,
			v1Unknown},
	},
	"ratelimits.getOverride": {
		{"success", "?namespaceName=mail&identifier=a", 200, "id identifier limit duration"},
		{"bad request", "?namespaceName=mail", 400, v1Bad},
		{"refused", "?namespaceName=mail&identifier=a", 404, v1Unknown},
		{"unknown", "?namespaceName=mail&identifier=none", 404, v1Unknown},
	},
	"ratelimits.listOverrides": {
		{"success", "?namespaceName=mail", 200, "overrides total"},
		{"bad request", "?namespaceName=mail&limit=many", 400, v1Bad},
		{"refused", "?namespaceName=mail", 403, v1Refused},
		{"unknown", "?namespaceName=none", 404, v1Unknown},
	},
	"ratelimits.deleteOverride": {
		{"bad request", `{}`, 400, v1Bad},
		{"refused", `{"namespaceName":"mail","identifier":"a"}`, 403, v1Refused},
		{"unknown", `{"namespaceName":"mail","identifier":"none"}`, 404, v1Unknown},
		{"success", `{"namespaceName":"mail","identifier":"a"}`, 200, ""},
	},

	"migrations.createKeys": {
		{"success", `[{"apiId":"$apiId","plaintext":"old_1"},
			{"apiId":"$apiId","hash":{"value":"u5bUVZ+VwAx3cQlYYRGCCn1yQK3zPW4zIuNzWkYYSZo=",
			"variant":"sha256_base64"}}]`, 200, "keyIds"},
		{"bad request", `[]`, 400, v1Bad}, {"bad request", `[{"apiId":"$apiId"}]`, 400, v1Bad},
		{"refused", `[{"apiId":"$apiId","plaintext":"old_2"}]`, 403, v1Refused},
		{"unknown", `[{"apiId":"api_unknown","plaintext":"old_2"}]`, 404, v1Unknown},
	},
	"migrations.enqueueKeys": {
		{"success", `{"migrationId":"$migrationId","apiId":"$apiId","keys":[{"plaintext":"old"}]}`,
			202, ""},
		{"bad request", `{"migrationId":"$migrationId","apiId":"$apiId","keys":[]}`, 400, v1Bad},
		{"refused", `{"migrationId":"$migrationId","apiId":"$apiId","keys":[{"plaintext":"o"}]}`,
			403, v1Refused},
		{"unknown", `{"migrationId":"none","apiId":"$apiId","keys":[{"plaintext":"o"}]}`, 404,
			v1Unknown},
	},
	"analytics.getVerifications": {{"success", "?apiId=$apiId", 412, "PRECONDITION_FAILED"}},

	"keys": {
		{"success", `{"apiId":"$apiId"}`, 200, "keyId key"}, {"bad request", `{}`, 400, v1Bad},
		{"refused", `{"apiId":"$apiId"}`, 404, v1Unknown},
		{"unknown", `{"apiId":"api_unknown"}`, 404, v1Unknown},
	},
	"keys/verify": {
		{"success", `{"key":"$key"}`, 200, "valid code ownerId meta"}, {"bad request", `{}`, 400, v1Bad},
		{"refused", `{"key":"$key"}`, 200, "valid code"},
		{"unknown", `{"key":"unknown"}`, 200, "valid code"},
	},
	"apis/{apiId}/keys": {
		{"success", "?ownerId=user", 200, "keys total"}, {"bad request", "?limit=a", 400, v1Bad},
		{"refused", "", 404, v1Unknown},
	},
}

func TestEveryRouteOfV1AnswersAsVersion1Does(t *testing.T) {
	for _, route := range v1Routes {
		t.Run(route.path, func(t *testing.T) {
			t.Parallel()
			cases := v1Cases[route.path]
			if len(cases) == 0 {
				t.Fatal("no cases")
			}
			w := openV1World(t)
			for _, c := range cases {
				root := w.root
				if c.kind == "refused" {
					root = "$nobody"
				}
				path := strings.Replace(route.path, "{apiId}", "$apiId", 1)
				status, got := w.v1(route.method, path, c.body, root)
				if e, _ := got["error"].(map[string]any); status >= 400 {
					if status != c.status || e["code"] != c.want || e["message"] == "" ||
						e["docs"] == "" || e["requestId"] == "" {
						t.Errorf("%s %s: %d %v, want %d %s", c.kind, c.body, status, got, c.status, c.want)
					}
					continue
				}
				for _, member := range strings.Fields(c.want) {
					if _, has := got[member]; !has || status != c.status {
						t.Errorf("%s %s: %d %v, want %d with %s", c.kind, c.body, status, got,
							c.status, member)
					}
				}
			}
		})
	}
	for path := range v1Cases {
		if !slices.ContainsFunc(v1Routes, func(r v1Route) bool { return r.path == path }) {
			t.Errorf("there is no route %s", path)
		}
	}
}

// verified returns the code of a verification without a root key.
func (w *v1World) verified(body string) string {
	w.t.Helper()
	status, got := w.v1(http.MethodPost, "keys.verifyKey", body, "")
	if status != http.StatusOK {
		w.t.Fatalf("%s: %d %v", body, status, got)
	}
	return fmt.Sprint(got["code"])
}

func TestV1VerifiesWithoutARootKey(t *testing.T) {
	w := openV1World(t)
	for body, want := range map[string]string{
		`{"key":"$key"}`:                       "VALID",
		`{"key":"$key","apiId":"$apiId"}`:      "VALID",
		`{"key":"$key","apiId":"api_unknown"}`: "FORBIDDEN",
		`{"key":"$nobody"}`:                    "NOT_FOUND", // a root key
		`{"key":"unknown"}`:                    "NOT_FOUND",
	} {
		same(t, body, w.verified(body), want)
	}
	_, public := w.v1(http.MethodPost, "keys.verifyKey", `{"key":"$key"}`, "public")
	same(t, "the function of @unkey/api", public["code"], any("VALID"))
	w.call("keys.updateKey", w.fill(`{"keyId":"$keyId","enabled":false}`))
	same(t, "a disabled key", w.verified(`{"key":"$key","apiId":"api_unknown"}`), "DISABLED")
	w.call("keys.updateKey", w.fill(`{"keyId":"$keyId","enabled":true,"expires":1}`))
	same(t, "an expired key", w.verified(`{"key":"$key"}`), "EXPIRED")
	same(t, "of another API", w.verified(`{"key":"$key","apiId":"api_unknown"}`), "FORBIDDEN")
	status, got := w.v1(http.MethodGet, "keys.getKey", "?keyId=$keyId", "")
	if status != 403 || !strings.Contains(fmt.Sprint(got), "UNAUTHORIZED") {
		t.Errorf("getKey without a root key: %d %v", status, got)
	}
	status, got = w.v1(http.MethodPost, "keys.verifyKey", `{"key":"$key"}`, "unknown")
	if status != 403 || !strings.Contains(fmt.Sprint(got), "UNAUTHORIZED") {
		t.Errorf("verifyKey with an unknown root key: %d %v", status, got)
	}
}

func TestV1IsConfinedToTheListedAPIs(t *testing.T) {
	w := openV1World(t, "api_listed")
	same(t, "without a root key", w.verified(`{"key":"$key"}`), "NOT_FOUND")
	_, got := w.v1(http.MethodPost, "keys.verifyKey", `{"key":"$key"}`, w.root)
	same(t, "with a root key", got["code"], any("VALID"))
}

func TestV1IsLimitedForEachAddress(t *testing.T) {
	w := openV1World(t)
	// Without credits and limits, so that many more than 100 a second can be verified.
	plain := w.string(w.call("keys.createKey", w.fill(`{"apiId":"$apiId"}`)), "key")
	send := func(address, authorization string) int {
		r := httptest.NewRequest(http.MethodPost, "/v1/keys.verifyKey",
			strings.NewReader(`{"key":"`+plain+`"}`))
		r.RemoteAddr = address + ":1"
		r.Header.Set("Content-Type", "application/json")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Code
	}
	sent := 0
	for send("192.0.2.1", "") == http.StatusOK {
		if sent++; sent == 100_000 { // far more than 100 a second
			t.Fatal("no limit")
		}
	}
	if sent < 1000 {
		t.Errorf("only %d verifications fit", sent)
	}
	same(t, "the next one", send("192.0.2.1", ""), http.StatusTooManyRequests)
	same(t, "another address", send("192.0.2.2", ""), http.StatusOK)
	same(t, "with a root key", send("192.0.2.1", "Bearer "+w.root), http.StatusOK)
}

func TestV1TakesTheRootKeyThatAnOldClientChanged(t *testing.T) {
	w := openV1World(t)
	get := func(headers ...string) int {
		status, _ := w.v1(http.MethodGet, "apis.getApi", "?apiId=$apiId", "", headers...)
		return status
	}
	same(t, "X-Api-Key alone", get("X-Api-Key", w.root), 200)
	same(t, "of another client", get("X-Api-Key", w.root, "Authorization", "Bearer old"), 403)
	same(t, "of unkey.py 0.7", get("X-Api-Key", w.root, "Authorization", "Bearer old",
		"Unkey-SDK", "unkey.py@v0.7.2"), 200)
	same(t, "of the crate unkey", get("Authorization", w.root), 200)
	same(t, "one that isn't known", get("Authorization", "unknown"), 403)
}

func TestV1NamesTheCodeOf429AsEachClientDoes(t *testing.T) {
	w := openV1World(t)
	id := w.string(w.call("workspaces.createWorkspace",
		`{"name":"limited","requestsPerMinute":0}`), "workspaceId")
	root := w.string(w.call("rootKeys.createRootKey", `{"workspaceId":"`+id+
		`","permissions":["api.*.create_api"]}`), "key")
	for want, header := range map[string][]string{
		"RATE_LIMITED":      nil,
		"RATELIMITED":       {"Unkey-SDK", "unkey.py@v0.7.2"},
		"TOO_MANY_REQUESTS": {"User-Agent", "speakeasy-sdk/python 0.10.0"},
	} {
		status, got := w.v1(http.MethodPost, "apis.createApi", `{"name":"payments"}`, root, header...)
		e, _ := got["error"].(map[string]any)
		same(t, fmt.Sprint(header), fmt.Sprint(status, " ", e["code"]), "429 "+want)
	}
}

func TestAMonthlyRefillOfV1IsOnTheFirstUnlessItNamesADay(t *testing.T) {
	w := openV1World(t)
	for refill, want := range map[string]any{
		`{"interval":"monthly","amount":9}`:                  1.0,
		`{"interval":"monthly","amount":9,"refillDay":15.0}`: 15.0,
	} {
		_, made := w.v1(http.MethodPost, "keys.createKey",
			`{"apiId":"$apiId","remaining":5,"refill":`+refill+`}`, w.root)
		status, answer := w.v1(http.MethodPost, "keys.updateKey",
			`{"keyId":"$keyId","refill":`+refill+`}`, w.root)
		same(t, fmt.Sprint(answer), status, 200)
		for _, id := range []any{made["keyId"], w.names["keyId"]} {
			_, key := w.v1(http.MethodGet, "keys.getKey", "?keyId="+fmt.Sprint(id), w.root)
			got, _ := key["refill"].(map[string]any)
			same(t, refill, got["refillDay"], want)
		}
	}
}

func TestGeneratedClientsGetTheCodesThatTheyKnow(t *testing.T) {
	w := openV1World(t)
	for root, want := range map[string]string{
		"unknown": "401 UNAUTHORIZED", "$nobody": "403 FORBIDDEN",
	} {
		status, got := w.v1(http.MethodGet, "apis.getApi", "?apiId=$apiId", root,
			"User-Agent", "speakeasy-sdk/python 0.10.0")
		e, _ := got["error"].(map[string]any)
		same(t, root, fmt.Sprint(status, " ", e["code"]), want)
	}
}

func TestV1KeepsTheLimitsOfVersion2(t *testing.T) {
	w := openV1World(t)
	w.v1(http.MethodPost, "keys.updateKey",
		`{"keyId":"$keyId","ratelimit":{"limit":7,"refillRate":7,"refillInterval":60000}}`, w.root)
	text := w.call("keys.getKey", w.fill(`{"keyId":"$keyId"}`)).text
	if !strings.Contains(text, `"name":"other"`) || !strings.Contains(text, `"limit":7`) {
		t.Error(text)
	}
	_, got := w.v1(http.MethodGet, "keys.getKey", "?keyId=$keyId", w.root)
	limit, _ := got["ratelimit"].(map[string]any)
	same(t, "the limit in version 1", fmt.Sprintln(limit["limit"], limit["duration"], limit["type"]),
		"7 60000 fast\n")
}

func TestClosedV1SaysSoInItsOwnShape(t *testing.T) {
	w := &v1World{world: newWorld(t)}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		status, got := w.v1(method, "keys.verifyKey", "", w.root)
		e, _ := got["error"].(map[string]any)
		message, _ := e["message"].(string)
		if status != 404 || e["code"] != "NOT_FOUND" || !strings.Contains(message, "--v1") {
			t.Errorf("%d %v", status, got)
		}
	}
}

func TestPagesOfV1EndWithAnEmptyOne(t *testing.T) {
	w := openV1World(t)
	for range 4 {
		w.call("keys.createKey", w.fill(`{"apiId":"$apiId"}`))
	}
	seen, cursor := map[any]bool{}, ""
	for range 4 {
		_, got := w.v1(http.MethodGet, "apis.listKeys", "?apiId=$apiId&limit=2&cursor="+cursor, w.root)
		keys, _ := got["keys"].([]any)
		for _, k := range keys {
			seen[k.(map[string]any)["id"]] = true
		}
		if cursor, _ = got["cursor"].(string); cursor == "" {
			break
		}
	}
	if len(seen) != 5 || cursor != "" {
		t.Errorf("%d keys, and then the cursor %q", len(seen), cursor)
	}
}

func TestV1AsksWhichAPIAKeyOfTwoWorkspacesBelongsTo(t *testing.T) {
	w := openV1World(t)
	same(t, "an import", w.imports("$apiId", w.root), 200)
	other := w.string(w.call("workspaces.createWorkspace", `{"name":"other"}`), "workspaceId")
	root := w.string(w.call("rootKeys.createRootKey", `{"workspaceId":"`+other+
		`","permissions":["api.*.create_api","api.*.create_key","migration.*.create_migration"]}`),
		"key")
	_, made := w.v1(http.MethodPost, "apis.createApi", `{"name":"payments"}`, root)
	api := fmt.Sprint(made["apiId"])
	same(t, "an import of the other workspace", w.imports(api, root), 200)
	same(t, "without an API", w.verified(`{"key":"twice"}`), "NOT_FOUND")
	same(t, "of another API", w.verified(`{"key":"twice","apiId":"api_unknown"}`), "NOT_FOUND")
	for _, id := range []string{"$apiId", api} {
		same(t, "with the API", w.verified(`{"key":"twice","apiId":"`+id+`"}`), "VALID")
	}
}

// imports imports the key "twice" and returns the status.
func (w *v1World) imports(api, root string) int {
	status, _ := w.v1(http.MethodPost, "migrations.createKeys",
		`[{"apiId":"`+api+`","plaintext":"twice"}]`, root)
	return status
}
