package engine

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// TestNewerResourceNamesPermitTheirOperations: a root key that has only one name of the
// newer form can call what the name says, of the resource that it says, and nothing else.
func TestNewerResourceNamesPermitTheirOperations(t *testing.T) {
	w := newWorld(t)
	api, elsewhere := w.newAPI(), w.newAPI()
	keyspaces := map[string]string{}
	for _, a := range must[[]latchkey.APISettings](w, w.who, "apis.listApis",
		latchkey.ListAPIsRequest{}) {
		keyspaces[a.ID] = a.KeyspaceID
	}
	ks, other := keyspaces[api], keyspaces[elsewhere]
	key := must[latchkey.CreatedKey](w, w.who, "keys.createKey",
		latchkey.CreateKeyRequest{APIID: api})
	ws := "unkey:v1:" + w.who.WorkspaceID() + ":"
	project := ws + "projects/proj_" + w.who.WorkspaceID()[len("ws_"):] + "/"
	one := func(name string) []string { return []string{name} }
	rename := latchkey.UpdateKeyRequest{KeyID: key.KeyID, Name: latchkey.Set("n")}
	for _, n := range []need{
		{
			"keys.updateKey", rename,
			[][]string{
				one(project + "keyspaces/" + ks + "/keys/" + key.KeyID + "#write"),
				one(ws + "projects/*/keyspaces/*/keys/*#write"), one(project + "**#write"),
				one(ws + "**#write"),
			},
			[][]string{
				one(project + "keyspaces/" + ks + "/keys/key_other#write"),
				one(project + "keyspaces/" + other + "/keys/*#write"),
				one(project + "keyspaces/" + ks + "/keys/*#read"),
				one(project + "keyspaces/" + ks + "#write"),
			},
		},
		{
			"keys.getKey", latchkey.GetKeyRequest{KeyID: key.KeyID},
			[][]string{one(project + "keyspaces/" + ks + "/keys/*#read")},
			[][]string{one(project + "keyspaces/" + ks + "/keys/*#write")},
		},
		{
			"apis.getApi", getAPI(api), [][]string{one(project + "keyspaces/" + ks + "#read")},
			[][]string{one(project + "keyspaces/" + other + "#read")},
		},
		{
			"apis.createApi", latchkey.CreateAPIRequest{Name: "abc"},
			[][]string{one(project + "keyspaces/*#write")},
			[][]string{one(project + "keyspaces/" + ks + "#write"), one(ws + "**#*")},
		},
		{
			"permissions.createRole", latchkey.CreateRoleRequest{Name: "r"},
			[][]string{one(project + "rbac/roles/*#write")},
			[][]string{one(project + "rbac/permissions/*#write")},
		},
		{
			"identities.listIdentities", latchkey.ListIdentitiesRequest{},
			[][]string{one(project + "identities/*#read")}, nil,
		},
		{
			"ratelimit.limit", ask("api", "u", 5),
			[][]string{{project + "ratelimits/namespaces/*#write", project +
				"ratelimits/namespaces/*#limit"}}, nil,
		},
	} {
		if n.lacking == nil {
			for _, permissions := range n.enough {
				must[any](w, w.grant(permissions...), n.op, n.request)
			}
			continue
		}
		n.holds(w)
	}
	verify := latchkey.VerifyKeyRequest{Key: key.Key}
	for name, want := range map[string]latchkey.Code{
		project + "keyspaces/" + ks + "/keys/*#verify":    latchkey.Valid,
		ws + "projects/*/keyspaces/*/keys/*#verify":       latchkey.Valid,
		project + "keyspaces/" + other + "/keys/*#verify": latchkey.NotFound,
		project + "keyspaces/" + ks + "/keys/*#decrypt":   latchkey.NotFound,
	} {
		if v := must[latchkey.Verification](w, w.grant(name), "keys.verifyKey", verify); v.Code != want {
			t.Errorf("%s: %s, want %s", name, v.Code, want)
		}
	}
}

// TestANameIsGrantedByWhoCanDoAllOfIt: the permission to delegate a resource name is having
// every permission that it stands for, in whichever form.
func TestANameIsGrantedByWhoCanDoAllOfIt(t *testing.T) {
	w := newWorld(t)
	ws := "unkey:v1:" + w.who.WorkspaceID() + ":"
	create := func(who Caller, permission string) error {
		_, err := w.do(who, "rootKeys.createRootKey", latchkey.CreateRootKeyRequest{
			Permissions: []string{permission},
		})
		return err
	}
	all := w.grant(latchkey.AllPermissions()...)
	few := w.grant("root_key.*.create_root_key", "api.*.verify_key", "api.*.update_key")
	for _, c := range []struct {
		who        Caller
		permission string
		want       int
	}{
		{all, ws + "**#write", 200}, {all, ws + "projects/*/keyspaces/*/keys/*#decrypt", 200},
		{few, ws + "projects/*/keyspaces/*/keys/*#verify", 200},
		{few, ws + "projects/*/keyspaces/*/keys/*#write", 403}, // also creates keys
		{few, ws + "projects/*/keyspaces/*/keys/*#read", 403},
		{few, ws + "**#verify", 200}, {few, ws + "**#*", 403},
	} {
		if err := create(c.who, c.permission); status(err) != c.want {
			t.Errorf("%s: %v, want %d", c.permission, err, c.want)
		}
	}
}
