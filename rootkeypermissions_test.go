package latchkey_test

import (
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

func TestMisspelledPermissionsNameTheNearest(t *testing.T) {
	for permission, nearest := range map[string]string{
		"api.verify":                          "api.*.verify_key",
		"api.*.verify_keys":                   "api.*.verify_key",
		"api.api_1.verify-key":                "api.api_1.verify_key",
		"apis.*.read_key":                     "api.*.read_key",
		"rbac.*.verify_key":                   "api.*.verify_key",
		"Operator":                            "operator",
		"identity.*.reed_identity":            "identity.*.read_identity",
		"unkey:v1:ws_1:keyspaces/*#creat_key": "unkey:v1:ws_1:keyspaces/*#create_key",
		"unkey:v1:ws_1:keyspace/*#create_key": "unkey:v1:ws_1:keyspaces/*#create_key",
		"api..read_key":                       "api.*.read_key",
		"nothing":                             "",
		// of the newer form: unknown places and actions, a star in a word, an id after a star
		"unkey:v1:ws_1:projects/*/keyspaces/ks_1#read": "unkey:v1:ws_1:projects/*/keyspaces/*#read",
		"unkey:v1:ws_1:projects/*/keyspaces/ks_*#read": "unkey:v1:ws_1:projects/*/keyspaces/*#read",
		"unkey:v1:ws_1:projects/p/keyspace/ks_1#read":  "unkey:v1:ws_1:projects/*/keyspaces/*#read",
		"unkey:v1:ws_1:projects/**/keys#read":          "unkey:v1:ws_1:projects/*/keyspaces/*#read",
		"unkey:v1:ws_1:projects/**#*":                  "unkey:v1:ws_1:limits#read",
		"a.b.c.d":                                      "",
		"api.*.read_key ":                              "api.*.read_key",
		"x" + strings.Repeat("y", 511):                 "",
		"unkey:v1:" + strings.Repeat("z:#/.", 90):      "",
	} {
		err := latchkey.CheckPermission(permission)
		if err == nil || strings.Contains(err.Error(), "did you mean") != (nearest != "") ||
			!strings.HasSuffix(err.Error(), "did you mean "+nearest+"?") && nearest != "" {
			t.Errorf("%.40s: %v, want %s", permission, err, nearest)
		}
		if latchkey.PermissionGrants(permission) {
			t.Errorf("%.40s grants something", permission)
		}
	}
}

func TestEveryPermissionThatAnOperationNeedsIsKnown(t *testing.T) {
	known := append(latchkey.AllPermissions(), latchkey.Operator,
		"ratelimit.*.list_overrides", "unkey:v1:ws_1:**#*", "unkey:v1:ws_1:keyspaces/ks_1/**#read_key",
		"unkey:v1:ws_1:keyspaces/ks_1/keys/key_1#verify_key",
		"unkey:v1:ws_1:projects/*/identities/*#read_identity",
		"unkey:v1:ws_1:keyspaces/*/keys/*#create_key",
		"unkey:v1:ws_1:projects/proj_1/keyspaces/ks_1/keys/*#verify",
		"unkey:v1:ws_1:projects/*/keyspaces/*/keys/*#decrypt", "unkey:v1:ws_1:projects/**#write",
		"unkey:v1:ws_1:**#limit", "unkey:v1:ws_1:projects/p/rbac/roles/*#delete",
		"unkey:v1:ws_1:projects/p/ratelimits/namespaces/ns/overrides/*#read",
		"unkey:v1:ws_1:rootKeys/*#write", "unkey:v1:ws_1:projects/p/keyspaces/ks/logs#read",
	)
	for _, permission := range known {
		for _, id := range []string{"*", "api_1", "some-id"} {
			one := strings.Replace(permission, ".*.", "."+id+".", 1)
			if err := latchkey.CheckPermission(one); err != nil || !latchkey.PermissionGrants(one) {
				t.Errorf("%s: %v, grants %v", one, err, latchkey.PermissionGrants(one))
			}
		}
	}
}

func TestStarsThatUnkeyAcceptsGrantNothing(t *testing.T) {
	for _, permission := range []string{
		"*", "api.*", "api.*.*", "api.create_api", "api.api_1.*", "*.*.*", "identity.create_identity",
	} {
		if err := latchkey.CheckPermission(permission); err != nil {
			t.Error(err)
		}
		if latchkey.PermissionGrants(permission) {
			t.Errorf("%s grants something", permission)
		}
	}
}
