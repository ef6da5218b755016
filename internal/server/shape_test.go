package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// needs lists what the official SDKs require in the data of each operation.
// They refuse a whole answer for one missing member, and for any null but those
// in mayBeNull. A * stands for every item of a list, which must not be empty.
var needs = map[string]string{
	"apis.createApi": "apiId",
	"apis.getApi":    "id name",
	"apis.deleteApi": "",
	"apis.listKeys":  keyNeeds("*."),
	"keys.createKey": "keyId key",
	"keys.rerollKey": "keyId key",
	"keys.getKey":    keyNeeds(""),
	"keys.whoami":    keyNeeds(""),
	"keys.updateKey": "",
	"keys.deleteKey": "",
	"keys.verifyKey": "valid code identity.id identity.externalId " +
		"ratelimits.*.exceeded ratelimits.*.id ratelimits.*.name ratelimits.*.limit " +
		"ratelimits.*.duration ratelimits.*.reset ratelimits.*.remaining " +
		"ratelimits.*.autoApply",
	"keys.updateCredits":     "remaining",
	"keys.addPermissions":    "*.id *.name *.slug",
	"keys.setPermissions":    "*.id *.name *.slug",
	"keys.removePermissions": "*.id *.name *.slug",
	"keys.addRoles": "*.id *.name *.permissions.*.id *.permissions.*.name " +
		"*.permissions.*.slug",
	"keys.setRoles":                  "*.id *.name",
	"keys.removeRoles":               "",
	"keys.migrateKeys":               "migrated.*.hash migrated.*.keyId failed",
	"identities.createIdentity":      "identityId",
	"identities.getIdentity":         identityNeeds(""),
	"identities.updateIdentity":      identityNeeds(""),
	"identities.listIdentities":      identityNeeds("*."),
	"permissions.createPermission":   "permissionId",
	"permissions.getPermission":      "id name slug",
	"permissions.listPermissions":    "*.id *.name *.slug",
	"permissions.deletePermission":   "",
	"permissions.createRole":         "roleId",
	"permissions.getRole":            "id name",
	"permissions.listRoles":          "*.id *.name",
	"permissions.deleteRole":         "",
	"permissions.setRolePermissions": "*.id *.name *.slug",
	"ratelimit.limit":                "limit remaining reset success",
	"ratelimit.multiLimit": "passed limits.*.namespace limits.*.identifier " +
		"limits.*.limit limits.*.remaining limits.*.reset limits.*.passed",
	"ratelimit.setOverride":    "overrideId",
	"ratelimit.getOverride":    "overrideId duration identifier limit",
	"ratelimit.listOverrides":  "*.overrideId *.duration *.identifier *.limit",
	"ratelimit.deleteOverride": "",
}

func keyNeeds(at string) string {
	return prefixed(
		at,
		"keyId start enabled createdAt credits.remaining credits.refill.interval "+
			"credits.refill.amount ",
	) +
		identityNeeds(at+"identity.") + " " + limitNeeds(at)
}

func identityNeeds(at string) string { return prefixed(at, "id externalId ") + limitNeeds(at) }

func limitNeeds(at string) string {
	return prefixed(at+"ratelimits.*.", "id name limit duration autoApply")
}

func prefixed(at, names string) string {
	var b strings.Builder
	for _, name := range strings.Fields(names) {
		b.WriteString(at + name + " ")
	}
	return b.String()
}

// mayBeNull are the members that mean "unlimited" by null.
var mayBeNull = map[string]bool{"credits.remaining": true, "data.remaining": true}

// shape checks the answers of a world as the SDKs' schemas do.
type shape struct {
	*world
	seen map[string]bool
}

// call calls an operation that must succeed, checks the answer, and returns its data.
func (s *shape) call(op, body string) any {
	s.t.Helper()
	a := s.world.call(op, body)
	var got map[string]any
	if err := json.Unmarshal([]byte(a.text), &got); err != nil || a.status != 200 ||
		a.media() != "application/json" {
		s.t.Fatalf("%s %s: %d %s %s", op, body, a.status, a.media(), a.text)
	}
	if a.body.Meta.RequestID == "" {
		s.t.Errorf("%s: no meta.requestId: %s", op, a.text)
	}
	data, hasData := got["data"]
	same(s.t, op+" has data", hasData, op != "identities.deleteIdentity")
	for _, path := range strings.Fields(needs[op]) {
		if !has(data, strings.Split(path, ".")) {
			s.t.Errorf("%s: no %s in %s", op, path, a.text)
		}
	}
	for _, path := range nulls("", "", got) {
		if !mayBeNull[path] {
			s.t.Errorf("%s: %s is null in %s", op, path, a.text)
		}
	}
	s.pagination(op, got)
	s.seen[op] = true
	return data
}

// pagination is there in lists alone, and has a cursor if there is more.
func (s *shape) pagination(op string, got map[string]any) {
	s.t.Helper()
	listed, _ := engine.Lookup(op)
	p, there := got["pagination"].(map[string]any)
	same(s.t, op+" has pagination", there, listed.Paged)
	if there {
		_, cursor := p["cursor"]
		same(s.t, op+" has a cursor", any(cursor), p["hasMore"])
	}
}

// has reports whether a path leads to a member, through every item of lists.
func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if path[0] == "*" {
		items, _ := v.([]any)
		for _, item := range items {
			if !has(item, path[1:]) {
				return false
			}
		}
		return len(items) > 0
	}
	members, _ := v.(map[string]any)
	member, there := members[path[0]]
	return there && has(member, path[1:])
}

// nulls returns the names of the null members, each after the one it is in.
func nulls(in, name string, v any) (found []string) {
	switch v := v.(type) {
	case nil:
		return []string{in + "." + name}
	case map[string]any:
		for member, value := range v {
			found = append(found, nulls(name, member, value)...)
		}
	case []any:
		for _, item := range v {
			found = append(found, nulls(in, name, item)...)
		}
	}
	return found
}

func TestAnswersHaveWhatClientsRequire(t *testing.T) {
	s := &shape{newWorld(t), map[string]bool{}}
	field := func(data any, name string) string { return data.(map[string]any)[name].(string) }
	const limits = `"ratelimits":[{"name":"requests","limit":10,"duration":60000,"autoApply":true}]`

	api := field(s.call("apis.createApi", `{"name":"an api"}`), "apiId")
	s.call("apis.getApi", `{"apiId":"`+api+`"}`)
	s.call("permissions.createPermission", `{"name":"Read","slug":"docs.read"}`)
	role := field(s.call("permissions.createRole", `{"name":"reader"}`), "roleId")
	s.call("permissions.setRolePermissions",
		`{"roleId":"`+role+`","permissions":["docs.read","docs.write"]}`)
	s.call("identities.createIdentity", `{"externalId":"user_1","meta":{"plan":"pro"},`+limits+`}`)
	made := s.call("keys.createKey", `{"apiId":"`+api+`","name":"a key","externalId":"user_1",
		"meta":{"a":1},"roles":["reader"],"permissions":["docs.list"],
		"credits":{"remaining":100,"refill":{"interval":"monthly","amount":100,"refillDay":31}},
		`+limits+`}`)
	key, id := field(made, "key"), field(made, "keyId")

	s.call("keys.verifyKey", `{"key":"`+key+`"}`)
	s.call("keys.getKey", `{"keyId":"`+id+`"}`)
	s.call("keys.whoami", `{"key":"`+key+`"}`)
	s.call("apis.listKeys", `{"apiId":"`+api+`"}`)
	s.call("identities.getIdentity", `{"identity":"user_1"}`)
	s.call("identities.listIdentities", `{}`)
	s.call("identities.updateIdentity", `{"identity":"user_1","meta":{}}`)
	s.call("keys.addPermissions", `{"keyId":"`+id+`","permissions":["docs.read"]}`)
	s.call("keys.setPermissions", `{"keyId":"`+id+`","permissions":["docs.read","docs.list"]}`)
	s.call("keys.removePermissions", `{"keyId":"`+id+`","permissions":["docs.list"]}`)
	s.call("keys.addRoles", `{"keyId":"`+id+`","roles":["reader"]}`)
	s.call("keys.setRoles", `{"keyId":"`+id+`","roles":["reader"]}`)
	s.call("keys.removeRoles", `{"keyId":"`+id+`","roles":["reader"]}`)
	s.call("permissions.getPermission", `{"permission":"docs.read"}`)
	s.call("permissions.listPermissions", `{"limit":1}`)
	s.call("permissions.getRole", `{"role":"reader"}`)
	s.call("permissions.listRoles", `{}`)
	s.call("keys.updateCredits", `{"keyId":"`+id+`","operation":"increment","value":5}`)
	s.call("keys.updateCredits", `{"keyId":"`+id+`","operation":"set","value":null}`)
	s.call("keys.rerollKey", `{"keyId":"`+id+`","expiration":0}`)
	s.call(
		"keys.updateKey",
		`{"keyId":"`+id+`","name":null,"externalId":null,"meta":null,"expires":null,"credits":null}`,
	)
	migration := field(s.call("migrations.createMigration", `{"algorithm":"sha256"}`),
		"migrationId")
	s.call(
		"keys.migrateKeys",
		`{"migrationId":"`+migration+`","apiId":"`+api+`",
			"keys":[{"hash":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="}]}`,
	)

	s.call("ratelimit.limit",
		`{"namespace":"mail","identifier":"user_1","limit":3,"duration":60000}`)
	s.call("ratelimit.multiLimit",
		`[{"namespace":"mail","identifier":"user_1","limit":3,"duration":60000}]`)
	s.call("ratelimit.setOverride",
		`{"namespace":"mail","identifier":"user_*","limit":0,"duration":60000}`)
	s.call("ratelimit.getOverride", `{"namespace":"mail","identifier":"user_2"}`)
	s.call("ratelimit.listOverrides", `{"namespace":"mail"}`)
	s.call("ratelimit.limit",
		`{"namespace":"mail","identifier":"user_1","limit":3,"duration":60000}`)
	s.call("ratelimit.deleteOverride", `{"namespace":"mail","identifier":"user_*"}`)

	s.call("keys.deleteKey", `{"keyId":"`+id+`"}`)
	s.call("identities.deleteIdentity", `{"identity":"user_1"}`)
	s.call("permissions.deleteRole", `{"role":"reader"}`)
	s.call("permissions.deletePermission", `{"permission":"docs.read"}`)
	s.call("apis.deleteApi", `{"apiId":"`+api+`"}`)
	for op := range needs {
		if !s.seen[op] {
			t.Errorf("%s was never called", op)
		}
	}
}

func TestEmptyListsAreEmptyLists(t *testing.T) {
	w := newWorld(t)
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("keyId", "keys.createKey", `{"apiId":"`+api+`"}`)
	empty := w.ok("apiId", "apis.createApi", `{"name":"empty"}`)
	w.ok("success", "ratelimit.limit",
		`{"namespace":"mail","identifier":"x","limit":3,"duration":60000}`)
	role := w.ok("roleId", "permissions.createRole", `{"name":"idle"}`)
	for op, body := range map[string]string{
		"apis.listKeys": `{"apiId":"` + empty + `"}`, "identities.listIdentities": `{}`,
		"permissions.listPermissions": `{}`,
		"permissions.listRoles":       `{"search":"nothing"}`,
		"ratelimit.listOverrides":     `{"namespace":"mail"}`,
	} {
		if a := w.call(op, body); !strings.HasSuffix(
			a.text, `,"data":[],"pagination":{"hasMore":false}}`,
		) {
			t.Errorf("%s: %s", op, a.text)
		}
	}
	for op, body := range map[string]string{
		"keys.setPermissions":            `{"keyId":"` + key + `","permissions":[]}`,
		"keys.setRoles":                  `{"keyId":"` + key + `","roles":[]}`,
		"permissions.setRolePermissions": `{"roleId":"` + role + `","permissions":[]}`,
	} {
		if a := w.call(op, body); !strings.HasSuffix(a.text, `,"data":[]}`) {
			t.Errorf("%s: %s", op, a.text)
		}
	}
}

func TestPagesLeadToOneAnother(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.ok("permissionId", "permissions.createPermission",
			fmt.Sprintf(`{"name":"p%d","slug":"p%d"}`, i, i))
	}
	seen, cursor := 0, ""
	for page := 1; ; page++ {
		a := w.call("permissions.listPermissions", `{"limit":2,"cursor":"`+cursor+`"}`)
		seen += strings.Count(a.text, `"slug"`)
		if cursor = a.body.Pagination.Cursor; cursor == "" {
			same(t, "pages", page, 3)
			break
		}
	}
	same(t, "items", seen, 5)
}
