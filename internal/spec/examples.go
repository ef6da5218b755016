package spec

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// example is a request and its response. All are of one installation: a service
// of tide forecasts, its API "Tide forecasts" and its customer "harbor_17".
type example struct {
	request  any    // of the operation's request type
	response any    // of its response type; nil where that has no data
	cursor   string // of the next page, or ""
}

// tokens is an amount of the budget.
func tokens(n int64) []latchkey.BudgetCost {
	return []latchkey.BudgetCost{{Budget: theBudget, Cost: latchkey.Set(n)}}
}

// envelope is the whole response of an operation.
func (e example) envelope(op *engine.Op) any {
	all := object{{"meta", exampleMeta}}
	switch {
	case op.Bare:
		text, err := encode(e.response, "")
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			panic(err)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			all = append(all, member{name, members[name]})
		}
	case op.Response != nil:
		all = append(all, member{"data", e.response})
	}
	if op.Paged {
		all = append(all, member{
			"pagination", latchkey.Pagination{Cursor: e.cursor, HasMore: e.cursor != ""},
		})
	}
	return all
}

var exampleMeta = object{{"requestId", "req_6hT2xKp0a"}}

// The resources in the examples.
const (
	theAPI       = "api_4tK9mZq2X"
	theKeyspace  = "ks_2mD6vYt8R"
	theKey       = "key_7Hc2VbN5e"
	theSecret    = "tide_Qm4ZtR8xVhK2yWbN6cJ5sD"
	theNewSecret = "tide_F7uPq3LdXe9TgYk2MvBn5r"
	theIdentity  = "id_2wQ8LxTz4"
	theCustomer  = "harbor_17"
	theRootKey   = "rk_5pJ3nVt9A"

	theRootKeyText = "latchkey_3yRmW9bKtVxQ5nZcH7dPfJ2sLgTe8u"

	theWorkspace = "ws_8Rb4yGm1D"
	theNamespace = "rlns_3sX7fHk6U"
	theOverride  = "rlor_9aC5jWe2P"
	theMigration = "mig_1vN6oZr8B"
	thePortal    = "pc_4gT7yKs2M"
	theWebhook   = "wh_2Fq8LnX5c"
	theDelivery  = "evt_7Yd3KsP1vBt6RwQ9mZ"

	theWebhookSecret = "whsec_bG9nIGxpdmUgdGhlIGhhcmJvciBtYXN0ZXIgb2YgdGlkZXM="
	theSession       = "ps_9nB3wQz6J"
	theCode          = "pst_8fJk2LmQ4rTx6VbY9cZnD3gH5sW7pA1eK"
	theAccess        = "pat_6hNq3RwE8tYu2PzX5vCm9KbL4dS7gF1jM"
	theHash          = "u5bUVZ+VwAx3cQlYYRGCCn1yQK3zPW4zIuNzWkYYSZo="
	theBudget        = "bud_5wT8nKx3L"
	theReservation   = "res_9zH4pQb7V"

	march2 = 1772443800000 // 2026-03-02 09:30 UTC
	march9 = 1773048600000 // a week later
	april1 = 1775001600000 // 2026-04-01 00:00 UTC
	minute = 60_000        // in milliseconds
	day    = 24 * 60 * minute
)

var (
	readPermission = latchkey.Permission{
		ID: "perm_6eM1rKd7Y", Name: "Read forecasts", Slug: "forecasts.read",
		Description: "See forecasts of any port.",
	}
	sendPermission = latchkey.Permission{
		ID: "perm_0uS4bTq5H", Name: "alerts.send", Slug: "alerts.send",
	}
	readerRole = latchkey.Role{
		ID: "role_8kF2gPw3N", Name: "reader", Description: "Sees everything and changes nothing.",
		Permissions: []latchkey.Permission{readPermission},
	}
	alertsRole = latchkey.Role{
		ID: "role_4zD9hCv6L", Name: "alerts", Permissions: []latchkey.Permission{sendPermission},
	}

	// requestsLimitRequest is a limit in requests, requestsLimit the same in responses.
	requestsLimitRequest = latchkey.RatelimitRequest{
		Name: "requests", Limit: 100, Duration: latchkey.PerMilli(minute),
		AutoApply: latchkey.Set(true),
	}
	requestsLimit = latchkey.Ratelimit{
		ID: "rl_7xG3qBn8S", Name: "requests", Limit: 100, Duration: latchkey.PerMilli(minute),
		AutoApply: true,
	}

	monthly = latchkey.Credits{
		Remaining: latchkey.Set[int64](9_874),
		Refill:    &latchkey.Refill{Interval: latchkey.Monthly, Amount: 10_000, RefillDay: 1},
	}
	customer = latchkey.Identity{
		ID: theIdentity, ExternalID: theCustomer, Meta: `{"plan":"pro"}`,
		Ratelimits: []latchkey.Ratelimit{requestsLimit},
	}

	key = latchkey.Key{
		KeyID: theKey, Start: "tide_Qm4Z", Enabled: true, Name: "Harbor office",
		Meta:      `{"port":"Hoorn"}`,
		CreatedAt: latchkey.AtMilli(march2), LastUsedAt: latchkey.AtMilli(march9),
		Expires:     latchkey.AtMilli(april1),
		Permissions: []string{"alerts.send", "forecasts.read"}, Roles: []string{"reader"},
		Credits: &monthly, Identity: &customer,
	}

	settings = latchkey.APISettings{
		ID: theAPI, Name: "Tide forecasts", KeyspaceID: theKeyspace,
		CreatedAt:        latchkey.AtMilli(march2),
		DeleteProtection: true, DefaultPrefix: "tide", DefaultBytes: 16,
		IPWhitelist: []string{"203.0.113.0/24"},
	}

	budget = latchkey.Budget{
		ID: theBudget, Name: "harbor tokens", Unit: "tokens",
		Allowance: latchkey.Set[int64](1000000),
		Period: latchkey.Set(latchkey.BudgetPeriod{
			Every: latchkey.EveryMonth, TimeZone: "Europe/Berlin",
		}),
		Remaining: 876000, Reserved: 4000, Open: 1, Spent: 120000,
		Reset: latchkey.AtMilli(april1 - 120*minute), Overshoot: latchkey.ChargeOvershoot,
		OnExpiry: latchkey.ReleaseOnExpiry, MaxOpen: latchkey.Null[int64](),
		Thresholds: []int64{80, 100}, Enabled: true, CreatedAt: latchkey.AtMilli(march2),
	}
	budgetStates = []latchkey.BudgetState{{
		ID: theBudget, Name: "harbor tokens", Unit: "tokens", Remaining: 876000, Reserved: 4000,
		Allowance: latchkey.Set[int64](1000000), Reset: latchkey.AtMilli(april1 - 120*minute),
	}}
	reserved = latchkey.Reservation{
		ID: theReservation, State: latchkey.ReservationOpen, KeyID: theKey,
		Budgets:   []latchkey.ReservedAmount{{ID: theBudget, Name: "harbor tokens", Reserved: 4000}},
		CreatedAt: latchkey.AtMilli(march2), Expires: latchkey.AtMilli(march2 + 2*minute),
	}
	portal = latchkey.Portal{
		ID: thePortal, Slug: "tideline", DisplayName: "Tideline", Enabled: true,
		CreatedAt: latchkey.AtMilli(march2), KeyspaceID: theKeyspace,
		Branding: &latchkey.PortalBranding{
			LogoURL: "https://tideline.example/logo.svg", PrimaryColor: "#0a7f5a",
		},
	}

	hook = latchkey.Webhook{
		ID: theWebhook, URL: "https://tideline.example/hooks/keys",
		Events:       []string{latchkey.EventKeyCreated, latchkey.EventKeyExpiring},
		ExpiringDays: 14, Enabled: true, CreatedAt: latchkey.AtMilli(march2),
	}

	uploads = latchkey.Override{
		OverrideID: theOverride, Identifier: "harbor_*", Limit: 500,
		Duration: latchkey.PerMilli(minute),
	}

	uploadLimits = latchkey.Namespace{
		ID: theNamespace, Name: "uploads", CreatedAt: latchkey.AtMilli(march2),
		WhenDegraded: latchkey.WhenDegradedRefuse,
	}

	workspace = latchkey.Workspace{
		ID: theWorkspace, Name: "Tideline", Enabled: true,
		RequestsPerMinute: latchkey.Set[int64](6_000),
		Quotas: latchkey.Quotas{
			Keys: latchkey.Set[int64](1_000_000), Identities: latchkey.Set[int64](1_000_000),
			Permissions: latchkey.Set[int64](100_000), Roles: latchkey.Set[int64](10_000),
			Namespaces: latchkey.Set[int64](10_000), RootKeys: latchkey.Set[int64](1_000),
			APIs: latchkey.Set[int64](10_000),
		},
		CreatedAt: latchkey.AtMilli(march2),
	}

	rootKey = latchkey.RootKey{
		ID: theRootKey, WorkspaceID: theWorkspace, Name: "Gateway", Start: "latchkey_3yRm",
		Permissions: []string{"api.*.read_key", "api.*.verify_key"}, Enabled: true,
		CreatedAt: latchkey.AtMilli(march2),
	}
)

// examples has one example for each operation, by its name.
var examples = map[string]example{
	"apis.createApi": {
		request:  latchkey.CreateAPIRequest{Name: "Tide forecasts"},
		response: latchkey.CreatedAPI{APIID: theAPI},
	},
	"apis.getApi": {
		request:  latchkey.GetAPIRequest{APIID: theAPI},
		response: latchkey.API{ID: theAPI, Name: "Tide forecasts"},
	},
	"apis.deleteApi": {
		request:  latchkey.DeleteAPIRequest{APIID: theAPI},
		response: latchkey.Empty{},
	},
	"apis.listKeys": {
		request:  latchkey.ListKeysRequest{APIID: theAPI, Limit: 1, ExternalID: theCustomer},
		response: []latchkey.Key{key},
		cursor:   "key_9Bd6MkQ1y",
	},
	"apis.listApis": {
		request:  latchkey.ListAPIsRequest{Search: "tide"},
		response: []latchkey.APISettings{settings},
	},
	"apis.updateApi": {
		request: latchkey.UpdateAPIRequest{
			APIID: theAPI, DeleteProtection: latchkey.Set(true),
			DefaultPrefix: latchkey.Set("tide"),
			IPWhitelist:   latchkey.Set([]string{"203.0.113.0/24"}),
		},
		response: settings,
	},

	"self.getKey": {
		request: latchkey.SelfKeyRequest{},
		response: latchkey.SelfKey{
			Name: "Harbor office", Start: "tide_1a2b", Enabled: true,
			Credits: &monthly,
			Ratelimits: []latchkey.SelfRatelimit{{
				Name: "requests", Limit: 100, Duration: latchkey.PerMilli(60_000), Remaining: 93,
				Reset: latchkey.AtMilli(april1), AutoApply: true,
			}},
			Permissions: []string{"alerts.send"},
		},
	},
	"self.rerollKey": {
		request: latchkey.SelfRerollKeyRequest{Expiration: latchkey.PerMilli(3_600_000)},
		response: latchkey.SelfRerolledKey{
			Key: theSecret, OldExpires: latchkey.AtMilli(april1),
		},
	},
	"self.revokeKey": {
		request: latchkey.SelfRevokeKeyRequest{}, response: latchkey.Empty{},
	},

	"keys.createKey": {
		request: latchkey.CreateKeyRequest{
			APIID: theAPI, Prefix: "tide", Name: "Harbor office", ExternalID: theCustomer,
			Meta:  `{"port":"Hoorn"}`,
			Roles: []string{"reader"}, Permissions: []string{"alerts.send"},
			Expires: latchkey.AtMilli(april1),
			Credits: &latchkey.Credits{
				Remaining: latchkey.Set[int64](10_000), Refill: monthly.Refill,
			},
			Ratelimits: []latchkey.RatelimitRequest{requestsLimitRequest},
		},
		response: latchkey.CreatedKey{KeyID: theKey, Key: theSecret},
	},
	"keys.getKey": {
		request:  latchkey.GetKeyRequest{KeyID: theKey},
		response: key,
	},
	"keys.whoami": {
		request:  latchkey.WhoamiRequest{Key: theSecret},
		response: key,
	},
	"keys.explainKey": {
		request: latchkey.ExplainKeyRequest{KeyID: theKey, Permissions: "tides.read"},
		response: latchkey.KeyExplanation{
			Code:    latchkey.UsageExceeded,
			Summary: "0 credits left, the call costs 1.",
			Next: "Refill to 10000 on 1 April 2026, or add credits with " +
				"keys.updateCredits.",
			KeyID: theKey, APIID: theAPI, KeyspaceID: theKeyspace, Name: "Harbor office",
			ExternalID: theCustomer,
			Checks: []latchkey.KeyCheck{
				{Check: latchkey.CheckExists, Passed: true, Detail: "The key exists."},
				{
					Check: latchkey.CheckPermissions, Passed: true,
					Detail: "The key satisfies the permission query.",
				},
				{
					Check: latchkey.CheckCredits, Code: latchkey.UsageExceeded, Decides: true,
					Detail: "0 credits left, the call costs 1.",
					Next: "Refill to 10000 on 1 April 2026, or add credits with " +
						"keys.updateCredits.",
				},
			},
			Permissions: []latchkey.ExplainedPermission{
				{Permission: "tides.read", Held: true, By: "tides.read"},
			},
			Grants: []latchkey.PermissionGrant{
				{Permission: "tides.read", Roles: []string{"reader"}},
			},
			Credits: &latchkey.ExplainedCredits{
				Cost: 1, RefillAmount: 10_000, RefillAt: latchkey.AtMilli(april1),
			},
			Cache: &latchkey.ExplainedCache{
				Cached: true, Usable: true, Age: latchkey.PerMilli(212), Code: latchkey.Valid,
			},
		},
	},
	"keys.updateKey": {
		request: latchkey.UpdateKeyRequest{
			KeyID: theKey, Name: latchkey.Set("Harbor office, new"),
			Expires: latchkey.Null[latchkey.Time](),
			Roles:   latchkey.Set([]string{"reader", "alerts"}),
		},
		response: latchkey.Empty{},
	},
	"keys.deleteKey": {
		request:  latchkey.DeleteKeyRequest{KeyID: theKey},
		response: latchkey.Empty{},
	},
	"keys.listKeys": {
		request: latchkey.FindKeysRequest{
			ExternalID: theCustomer, Start: key.Start, Enabled: latchkey.Set(true), Limit: 1,
		},
		response: []latchkey.Key{inAPI(key)},
		cursor:   "key_9Bd6MkQ1y," + key.Start,
	},
	"keys.exportKeys": {
		request: latchkey.ExportKeysRequest{APIID: theAPI, Limit: 1},
		response: []latchkey.ExportedKey{{
			KeyID: theKey, Hash: "XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
			Algorithm: latchkey.MigrateSHA256, Start: key.Start, Name: key.Name,
			ExternalID: theCustomer, Enabled: true, CreatedAt: key.CreatedAt,
		}},
		cursor: "key_9Bd6MkQ1y",
	},
	"keys.updateKeys": {
		request: latchkey.UpdateKeysRequest{
			Filter:  &latchkey.KeyFilter{ExternalID: theCustomer, Enabled: latchkey.Set(true)},
			Enabled: latchkey.Set(false),
		},
		response: latchkey.UpdatedKeys{Updated: 12},
	},
	"keys.restoreKey": {
		request:  latchkey.RestoreKeyRequest{KeyID: theKey},
		response: latchkey.Empty{},
	},
	"keys.verifyKey": {
		request: latchkey.VerifyKeyRequest{
			Key: theSecret, Tags: []string{"path=/v1/forecasts"},
			Permissions: "forecasts.read AND alerts.send",
			Credits:     &latchkey.VerifyKeyCredits{Cost: latchkey.Int(2)},
		},
		response: latchkey.Verification{
			Valid: true, Code: latchkey.Valid, KeyID: theKey, KeyspaceID: theKeyspace,
			Name:    "Harbor office",
			Meta:    `{"port":"Hoorn"}`,
			Expires: latchkey.AtMilli(april1), Credits: latchkey.Set[int64](9_872),
			Enabled:     latchkey.Set(true),
			Permissions: key.Permissions, Roles: key.Roles, Identity: &customer,
			Ratelimits: []latchkey.RatelimitState{{
				ID: requestsLimit.ID, Name: "requests", Limit: 100,
				Duration: latchkey.PerMilli(minute),
				Reset:    latchkey.AtMilli(march9 + minute), Remaining: 98, AutoApply: true,
			}},
		},
	},
	"keys.rerollKey": {
		request: latchkey.RerollKeyRequest{
			KeyID: theKey, Expiration: latchkey.Set(latchkey.PerMilli(60 * minute)),
		},
		response: latchkey.CreatedKey{KeyID: "key_9Bd6MkQ1y", Key: theNewSecret},
	},
	"keys.updateCredits": {
		request: latchkey.UpdateCreditsRequest{
			KeyID: theKey, Operation: latchkey.IncrementCredits, Value: latchkey.Set[int64](500),
		},
		response: latchkey.Credits{Remaining: latchkey.Set[int64](10_374), Refill: monthly.Refill},
	},
	"keys.addPermissions": {
		request: latchkey.AddPermissionsRequest{
			KeyID: theKey, Permissions: []string{"forecasts.read"},
		},
		response: []latchkey.Permission{sendPermission, readPermission},
	},
	"keys.removePermissions": {
		request: latchkey.RemovePermissionsRequest{
			KeyID: theKey, Permissions: []string{"forecasts.read"},
		},
		response: []latchkey.Permission{sendPermission},
	},
	"keys.setPermissions": {
		request: latchkey.SetPermissionsRequest{
			KeyID: theKey, Permissions: []string{"alerts.send", "forecasts.read"},
		},
		response: []latchkey.Permission{sendPermission, readPermission},
	},
	"keys.addRoles": {
		request:  latchkey.AddRolesRequest{KeyID: theKey, Roles: []string{"alerts"}},
		response: []latchkey.Role{alertsRole, readerRole},
	},
	"keys.removeRoles": {
		request:  latchkey.RemoveRolesRequest{KeyID: theKey, Roles: []string{"alerts"}},
		response: []latchkey.Role{readerRole},
	},
	"keys.setRoles": {
		request:  latchkey.SetRolesRequest{KeyID: theKey, Roles: []string{"reader"}},
		response: []latchkey.Role{readerRole},
	},
	"keys.migrateKeys": {
		request: latchkey.MigrateKeysRequest{
			MigrationID: theMigration, APIID: theAPI,
			Keys: []latchkey.MigrateKey{
				{
					Hash: theHash, Name: "Lighthouse", ExternalID: theCustomer,
					Ratelimits: []latchkey.RatelimitRequest{requestsLimitRequest},
				},
			},
		},
		response: latchkey.MigratedKeys{
			Migrated: []latchkey.MigratedKey{{Hash: theHash, KeyID: "key_0Gf8TsW3c"}},
			Failed:   []string{},
		},
	},

	"identities.createIdentity": {
		request: latchkey.CreateIdentityRequest{
			ExternalID: theCustomer, Meta: customer.Meta,
			Ratelimits: []latchkey.RatelimitRequest{requestsLimitRequest},
		},
		response: latchkey.CreatedIdentity{IdentityID: theIdentity},
	},
	"identities.getIdentity": {
		request:  latchkey.GetIdentityRequest{Identity: theCustomer},
		response: customer,
	},
	"identities.listIdentities": {
		request:  latchkey.ListIdentitiesRequest{Limit: 1, Search: "harbor"},
		response: []latchkey.Identity{customer},
		cursor:   "id_6yE0pUh5J",
	},
	"identities.updateIdentity": {
		request: latchkey.UpdateIdentityRequest{
			Identity: theCustomer, Meta: latchkey.Set(customer.Meta),
			Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{requestsLimitRequest}),
		},
		response: customer,
	},
	"identities.deleteIdentity": {
		request: latchkey.DeleteIdentityRequest{Identity: theCustomer},
	},

	"permissions.createPermission": {
		request: latchkey.CreatePermissionRequest{
			Name: readPermission.Name, Slug: readPermission.Slug,
			Description: readPermission.Description,
		},
		response: latchkey.CreatedPermission{PermissionID: readPermission.ID},
	},
	"permissions.getPermission": {
		request:  latchkey.GetPermissionRequest{Permission: readPermission.Slug},
		response: readPermission,
	},
	"permissions.listPermissions": {
		request:  latchkey.ListPermissionsRequest{Search: "forecast"},
		response: []latchkey.Permission{readPermission},
	},
	"permissions.updatePermission": {
		request: latchkey.UpdatePermissionRequest{
			Permission: readPermission.ID, Slug: latchkey.Set(readPermission.Slug),
		},
		response: readPermission,
	},
	"permissions.deletePermission": {
		request:  latchkey.DeletePermissionRequest{Permission: sendPermission.Slug},
		response: latchkey.Empty{},
	},
	"permissions.createRole": {
		request: latchkey.CreateRoleRequest{
			Name: readerRole.Name, Description: readerRole.Description,
			Permissions: []string{readPermission.Slug},
		},
		response: latchkey.CreatedRole{RoleID: readerRole.ID},
	},
	"permissions.getRole": {
		request:  latchkey.GetRoleRequest{Role: readerRole.Name},
		response: readerRole,
	},
	"permissions.listRoles": {
		request:  latchkey.ListRolesRequest{Limit: 2},
		response: []latchkey.Role{alertsRole, readerRole},
	},
	"permissions.updateRole": {
		request: latchkey.UpdateRoleRequest{
			Role: readerRole.ID, Description: latchkey.Set(readerRole.Description),
		},
		response: readerRole,
	},
	"permissions.deleteRole": {
		request:  latchkey.DeleteRoleRequest{Role: alertsRole.Name},
		response: latchkey.Empty{},
	},
	"permissions.setRolePermissions": {
		request: latchkey.SetRolePermissionsRequest{
			Role: readerRole.Name, Permissions: []string{readPermission.Slug},
		},
		response: []latchkey.Permission{readPermission},
	},

	"ratelimit.limit": {
		request: latchkey.LimitRequest{
			Namespace: "uploads", Identifier: theCustomer, Limit: 20,
			Duration: latchkey.PerMilli(minute),
			Cost:     latchkey.Set[int64](3),
		},
		response: latchkey.LimitResult{
			Success: true, Limit: 20, Remaining: 17, Reset: latchkey.AtMilli(march9 + minute),
		},
	},
	"ratelimit.multiLimit": {
		request: latchkey.MultiLimitRequest{
			{
				Namespace: "uploads", Identifier: theCustomer, Limit: 20,
				Duration: latchkey.PerMilli(minute),
			},
			{
				Namespace: "uploads.daily", Identifier: theCustomer, Limit: 1_000,
				Duration: latchkey.PerMilli(24 * 60 * minute),
			},
		},
		response: latchkey.MultiLimitResult{Passed: true, Limits: []latchkey.LimitCheck{
			{
				Namespace: "uploads", Identifier: theCustomer, Limit: 500, Remaining: 496,
				Reset: latchkey.AtMilli(march9 + minute), Passed: true, OverrideID: theOverride,
			},
			{
				Namespace: "uploads.daily", Identifier: theCustomer, Limit: 1_000, Remaining: 871,
				Reset: latchkey.AtMilli(1773100800000), Passed: true,
			},
		}},
	},
	"ratelimit.setOverride": {
		request: latchkey.SetOverrideRequest{
			Namespace: "uploads", Identifier: uploads.Identifier, Limit: latchkey.Int(uploads.Limit),
			Duration: uploads.Duration,
		},
		response: latchkey.SetOverrideResult{OverrideID: theOverride},
	},
	"ratelimit.getOverride": {
		request:  latchkey.GetOverrideRequest{Namespace: "uploads", Identifier: theCustomer},
		response: uploads,
	},
	"ratelimit.explainOverride": {
		request: latchkey.ExplainOverrideRequest{Namespace: "uploads", Identifier: theCustomer},
		response: latchkey.OverrideExplanation{
			Summary:   "The override of harbor_* applies: 487 of 500 left.",
			Overrides: []latchkey.Override{uploads},
			State: &latchkey.OverrideState{
				Success: true, Limit: uploads.Limit, Duration: uploads.Duration,
				Algorithm: latchkey.SlidingWindow, Used: 13, Remaining: uploads.Limit - 13,
				Reset: latchkey.AtMilli(april1),
			},
		},
	},
	"ratelimit.listOverrides": {
		request:  latchkey.ListOverridesRequest{Namespace: theNamespace},
		response: []latchkey.Override{uploads},
	},
	"ratelimit.deleteOverride": {
		request: latchkey.DeleteOverrideRequest{
			Namespace: "uploads", Identifier: uploads.Identifier,
		},
		response: latchkey.Empty{},
	},
	"ratelimit.listNamespaces": {
		request:  latchkey.ListNamespacesRequest{Search: "upload"},
		response: []latchkey.Namespace{uploadLimits},
	},
	"ratelimit.updateNamespace": {
		request: latchkey.UpdateNamespaceRequest{
			Namespace: "uploads", WhenDegraded: latchkey.Set(latchkey.WhenDegradedRefuse),
		},
		response: uploadLimits,
	},
	"ratelimit.deleteNamespace": {
		request:  latchkey.DeleteNamespaceRequest{Namespace: "uploads"},
		response: latchkey.Empty{},
	},

	"analytics.getVerifications": {
		request: latchkey.AnalyticsRequest{
			Query: "SELECT outcome, SUM(count) AS total FROM key_verifications_per_day_v1 " +
				"GROUP BY outcome",
		},
		response: []latchkey.AnalyticsRow{
			{"outcome": "VALID", "total": 48_211}, {"outcome": "RATE_LIMITED", "total": 307},
		},
	},
	"analytics.getRatelimits": {
		request: latchkey.AnalyticsRequest{
			Query: "SELECT identifier, COUNT(*) AS refused FROM ratelimits_v1 WHERE passed = " +
				"false GROUP " +
				"BY identifier",
		},
		response: []latchkey.AnalyticsRow{{"identifier": theCustomer, "refused": 12}},
	},

	"usage.getTotals": {
		request: latchkey.UsageTotalsRequest{
			ExternalID: theCustomer, Month: "2026-10", TimeZone: "Europe/Berlin",
			GroupBy: []string{"outcome"},
		},
		response: latchkey.UsageReport{
			Start: latchkey.AtMilli(1_790_805_600_000), End: latchkey.AtMilli(1_793_487_600_000),
			Total: latchkey.UsageSum{Count: 48_518, Passed: 48_211, Credits: 96_422},
			Groups: []latchkey.UsageGroup{
				{Outcome: "VALID", Count: 48_211, Passed: 48_211, Credits: 96_422},
				{Outcome: "RATE_LIMITED", Count: 307},
			},
			AllGroups: 2,
		},
	},
	"usage.getTimeseries": {
		request: latchkey.UsageTimeseriesRequest{
			Kind: latchkey.EventRatelimits, Namespace: "uploads",
			Start: latchkey.Set(latchkey.AtMilli(1_790_805_600_000)),
			End:   latchkey.Set(latchkey.AtMilli(1_790_978_400_000)), TimeZone: "Europe/Berlin",
		},
		response: latchkey.UsageTimeseries{
			Start: latchkey.AtMilli(1_790_805_600_000), End: latchkey.AtMilli(1_790_978_400_000),
			Total: latchkey.UsageSum{Count: 310, Passed: 298, Credits: 298},
			Data: []latchkey.UsagePoint{
				{Time: latchkey.AtMilli(1_790_805_600_000), Count: 161, Passed: 149, Credits: 149},
				{Time: latchkey.AtMilli(1_790_892_000_000), Count: 149, Passed: 149, Credits: 149},
			},
			Groups: []latchkey.UsageGroup{},
		},
	},
	"usage.listEvents": {
		request: latchkey.ListEventsRequest{ExternalID: theCustomer, Outcome: "RATE_LIMITED", Limit: 1},
		response: []latchkey.Event{{
			Time: latchkey.AtMilli(1_790_805_723_481), RequestID: "req_4DgzYk2Xc",
			Outcome: "RATE_LIMITED", APIID: theAPI, KeyID: theKey, IdentityID: theIdentity,
			ExternalID: theCustomer, Tags: []string{"path=/v1/search"}, LatencyMicros: 41,
		}},
	},

	"system.getHealth": {
		request: latchkey.SystemHealthRequest{},
		response: latchkey.SystemHealth{
			Ready: true, Version: "v1.4.0", StartedAt: latchkey.AtMilli(march2),
			Nodes: []latchkey.SystemNode{
				{NodeID: "4T7XUQ2NLHZQWJ5C", Self: true, Alive: true},
				{NodeID: "KM2P6ZB3VOTR7YAE", Alive: true, Silence: latchkey.PerMilli(412)},
			},
			Database: latchkey.SystemDatabase{
				Kind: "postgres", Up: true, Writable: true, Latency: latchkey.PerMilli(1),
				Lag: latchkey.PerMilli(41), MaxLag: latchkey.PerMilli(1000),
			},
			Ratelimits: latchkey.SystemRatelimits{Counter: "redis", Mode: "exact", Reachable: true},
			Events:     &latchkey.SystemEvents{Written: 48_213, WaitingBytes: 2_048},
			Disk:       &latchkey.SystemDisk{FreeBytes: 42 << 30, TotalBytes: 64 << 30},
		},
	},
	"workspace.getLimits": {
		request: latchkey.WorkspaceLimitsRequest{},
		response: latchkey.WorkspaceLimits{
			BillableOperations: latchkey.WorkspaceLimit{
				Limit: latchkey.Null[int64](), Current: latchkey.Int(50_518),
			},
			RequestsPerMinute:  latchkey.WorkspaceLimit{Limit: latchkey.Int(6_000)},
			LogsRetentionDays:  latchkey.WorkspaceLimit{Limit: latchkey.Null[int64]()},
			AuditRetentionDays: latchkey.WorkspaceLimit{Limit: latchkey.Int(400)},
			Logdrains: latchkey.WorkspaceLimit{
				Limit: latchkey.Int(0), Current: latchkey.Int(0),
			},
		},
	},
	"workspace.getUsage": {
		request: latchkey.WorkspaceUsageRequest{
			Period: &latchkey.UsageMonth{Year: 2026, Month: 2},
		},
		response: latchkey.WorkspaceUsage{
			Period: latchkey.UsagePeriod{
				Start: latchkey.AtMilli(1_769_904_000_000), End: latchkey.AtMilli(1_772_323_200_000),
			},
			Totals: latchkey.UsageTotals{API: latchkey.UsageOfAPI{
				Verifications: 48_211, Ratelimits: 2_307,
			}},
			Breakdowns: latchkey.UsageBreakdowns{
				ByEnvironment: []latchkey.Empty{}, ByApp: []latchkey.Empty{},
			},
		},
	},

	"workspaces.createWorkspace": {
		request: latchkey.CreateWorkspaceRequest{
			Name: "Tideline", RequestsPerMinute: latchkey.Set[int64](6_000),
		},
		response: latchkey.CreatedWorkspace{WorkspaceID: theWorkspace},
	},
	"workspaces.getWorkspace": {
		request:  latchkey.GetWorkspaceRequest{WorkspaceID: theWorkspace},
		response: workspace,
	},
	"workspaces.listWorkspaces": {
		request:  latchkey.ListWorkspacesRequest{Limit: 20},
		response: []latchkey.Workspace{workspace},
	},
	"workspaces.updateWorkspace": {
		request: latchkey.UpdateWorkspaceRequest{
			WorkspaceID: theWorkspace, RequestsPerMinute: latchkey.Set[int64](6_000),
		},
		response: workspace,
	},
	"workspaces.deleteWorkspace": {
		request:  latchkey.DeleteWorkspaceRequest{WorkspaceID: theWorkspace},
		response: latchkey.Empty{},
	},

	"rootKeys.createKey": {
		request: latchkey.RootKeysCreateKeyRequest{
			Name: "Gateway", Permissions: rootKey.Permissions,
		},
		response: latchkey.CreatedKey{KeyID: theRootKey, Key: theRootKeyText},
	},
	"rootKeys.listKeys": {
		request: latchkey.RootKeysListKeysRequest{Limit: 20},
		response: []latchkey.ListedRootKey{{
			KeyID: theRootKey, Name: latchkey.Set("Gateway"), Start: rootKey.Start, End: "Te8u",
			Enabled: true, CreatedAt: latchkey.AtMilli(march2),
			LastUsedAt: latchkey.AtMilli(march9), Expires: latchkey.Null[latchkey.Time](),
			Permissions: rootKey.Permissions,
		}},
	},
	"rootKeys.updateKey": {
		request: latchkey.RootKeysUpdateKeyRequest{
			KeyID: theRootKey, Name: latchkey.Set("Gateway"),
		},
		response: latchkey.Empty{},
	},
	"rootKeys.rerollKey": {
		request: latchkey.RootKeysRerollKeyRequest{
			KeyID: theRootKey, Expiration: latchkey.Set(latchkey.PerMilli(3_600_000)),
		},
		response: latchkey.CreatedKey{KeyID: "rk_8sX1mQc4D", Key: theRootKeyText},
	},
	"rootKeys.deleteKey": {
		request:  latchkey.RootKeysDeleteKeyRequest{KeyID: theRootKey},
		response: latchkey.Empty{},
	},
	"rootKeys.createRootKey": {
		request: latchkey.CreateRootKeyRequest{Name: "Gateway", Permissions: rootKey.Permissions},
		response: latchkey.CreatedRootKey{
			RootKeyID: theRootKey, Key: theRootKeyText,
		},
	},
	"rootKeys.listRootKeys": {
		request:  latchkey.ListRootKeysRequest{Limit: 20},
		response: []latchkey.RootKey{rootKey},
	},
	"rootKeys.updateRootKey": {
		request: latchkey.UpdateRootKeyRequest{
			RootKeyID: theRootKey, Name: latchkey.Set("Gateway"),
			Permissions: latchkey.Set(rootKey.Permissions),
		},
		response: rootKey,
	},
	"rootKeys.deleteRootKey": {
		request:  latchkey.DeleteRootKeyRequest{RootKeyID: theRootKey},
		response: latchkey.Empty{},
	},

	"rootKeys.whoami": {
		request: latchkey.WhoamiRootKeyRequest{},
		response: latchkey.RootKeyWhoami{
			RootKeyID: theRootKey, Name: "Gateway", WorkspaceID: theWorkspace,
			WorkspaceName: "Tideline",
			Permissions:   []string{"api." + theAPI + ".read_key", "api.*.verify_key"},
			Operations: []latchkey.CallableOperation{
				{Operation: "keys.getKey", For: latchkey.CallableForSome},
				{Operation: "keys.whoami", For: latchkey.CallableForSome},
				{Operation: "keys.verifyKey", For: latchkey.CallableForAll},
				{Operation: "rootKeys.whoami", For: latchkey.CallableForAll},
				{Operation: "liveness", For: latchkey.CallableForAll},
			},
		},
	},

	"migrations.createMigration": {
		request:  latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256},
		response: latchkey.CreatedMigration{MigrationID: theMigration},
	},
	"auditLogs.listAuditLogs": {
		request: latchkey.ListAuditLogsRequest{Limit: 1, Event: "key.create"},
		response: []latchkey.AuditLog{{
			ID: "log_7rY2kXe4V", Time: latchkey.AtMilli(march2), Event: "key.create",
			Description: "Created the key " + theKey,
			Actor:       latchkey.AuditActor{Type: "rootkey", ID: theRootKey, Name: "Gateway"},
			Targets: []latchkey.AuditTarget{
				{Type: "key", ID: theKey, Name: "Harbor office"},
				{Type: "api", ID: theAPI, Name: "Tide forecasts"},
			},
			RemoteIP: "203.0.113.9", UserAgent: "tideline-gateway/3.1",
			CorrelationID: "cor_5dO8iFs1Q",
		}},
		cursor: "1772443799120000",
	},
	"webhooks.createWebhook": {
		request: latchkey.CreateWebhookRequest{
			URL:          "https://tideline.example/hooks/keys",
			Events:       []string{latchkey.EventKeyCreated, latchkey.EventKeyExpiring},
			ExpiringDays: latchkey.Set[int64](14),
		},
		response: latchkey.CreatedWebhook{WebhookID: theWebhook, Secret: theWebhookSecret},
	},
	"webhooks.getWebhook": {
		request: latchkey.GetWebhookRequest{WebhookID: theWebhook}, response: hook,
	},
	"webhooks.listWebhooks": {
		request: latchkey.ListWebhooksRequest{}, response: []latchkey.Webhook{hook},
	},
	"webhooks.updateWebhook": {
		request: latchkey.UpdateWebhookRequest{
			WebhookID: theWebhook, ExpiringDays: latchkey.Set[int64](14),
		},
		response: hook,
	},
	"webhooks.deleteWebhook": {
		request:  latchkey.DeleteWebhookRequest{WebhookID: theWebhook},
		response: latchkey.Empty{},
	},
	"webhooks.rotateSecret": {
		request: latchkey.RotateWebhookSecretRequest{WebhookID: theWebhook},
		response: latchkey.RotatedWebhookSecret{
			Secret: theWebhookSecret, PreviousUntil: latchkey.AtMilli(march2 + day),
		},
	},
	"webhooks.sendTest": {
		request:  latchkey.SendTestWebhookRequest{WebhookID: theWebhook},
		response: latchkey.SentTestWebhook{DeliveryID: theDelivery},
	},
	"webhooks.listDeliveries": {
		request: latchkey.ListWebhookDeliveriesRequest{
			WebhookID: theWebhook, Status: latchkey.DeliveryWaiting,
		},
		response: []latchkey.WebhookDelivery{{
			ID: theDelivery, Event: latchkey.EventKeyCreated, Status: latchkey.DeliveryWaiting,
			Payload: `{"type":"key.created","timestamp":"2026-03-02T00:00:00Z","data":` +
				`{"workspaceId":"` + theWorkspace + `","keyId":"` + theKey + `"}}`,
			CreatedAt: latchkey.AtMilli(march2), Attempts: 1,
			NextAttemptAt:  latchkey.AtMilli(march2 + 5_000),
			AttemptedAt:    latchkey.AtMilli(march2 + 400),
			ResponseStatus: 502, Error: "the receiver responded with status 502",
		}},
	},
	"webhooks.resendDelivery": {
		request: latchkey.ResendWebhookDeliveryRequest{
			WebhookID: theWebhook, DeliveryID: theDelivery,
		},
		response: latchkey.Empty{},
	},
	"auditLogs.verifyAuditLogs": {
		request: latchkey.VerifyAuditLogsRequest{Head: "41:9f86d081884c7d659a2feaa0c55ad015"},
		response: latchkey.AuditVerification{
			Records: 9120, Problems: []latchkey.AuditProblem{{
				Kind: latchkey.AuditRecordEdited, RecordID: "log_7rY2kXe4V",
				Time: latchkey.AtMilli(march2), Message: "The record was edited or moved.",
			}},
			Head: "43:60303ae22b998861bce3b28f33eec1be",
		},
	},
	"budgets.createBudget": {
		request: latchkey.CreateBudgetRequest{
			Name: "harbor tokens", Unit: "tokens", Allowance: latchkey.Set[int64](1000000),
			Period: latchkey.Set(latchkey.BudgetPeriod{
				Every: latchkey.EveryMonth, TimeZone: "Europe/Berlin",
			}),
			Thresholds: []int64{80, 100},
		},
		response: latchkey.CreatedBudget{BudgetID: theBudget},
	},
	"budgets.getBudget": {
		request: latchkey.GetBudgetRequest{Budget: "harbor tokens"}, response: budget,
	},
	"budgets.listBudgets": {
		request: latchkey.ListBudgetsRequest{Search: "harbor"}, response: []latchkey.Budget{budget},
	},
	"budgets.updateBudget": {
		request: latchkey.UpdateBudgetRequest{
			Budget: theBudget, Allowance: latchkey.Set[int64](2000000),
			MaxOpen: latchkey.Set[int64](20),
		},
		response: latchkey.Empty{},
	},
	"budgets.deleteBudget": {
		request: latchkey.DeleteBudgetRequest{Budget: theBudget}, response: latchkey.Empty{},
	},
	"budgets.grant": {
		request: latchkey.GrantBudgetRequest{
			Budget: theBudget, Amount: latchkey.Set[int64](500000), Note: "invoice 2026-117",
		},
		response: latchkey.GrantedBudget{Balance: 500000, Remaining: 1380000},
	},
	"budgets.attach": {
		request:  latchkey.AttachBudgetRequest{Budget: theBudget, ExternalID: theCustomer},
		response: latchkey.Empty{},
	},
	"budgets.detach": {
		request:  latchkey.DetachBudgetRequest{Budget: theBudget, ExternalID: theCustomer},
		response: latchkey.Empty{},
	},
	"budgets.listAttachments": {
		request: latchkey.ListBudgetAttachmentsRequest{Budget: theBudget},
		response: []latchkey.BudgetAttachment{
			{KeyID: theKey}, {ExternalID: theCustomer, AutoApply: true},
		},
	},
	"budgets.spend": {
		request:  latchkey.SpendBudgetsRequest{Budgets: tokens(1200)},
		response: latchkey.SpentBudgets{Success: true, Budgets: budgetStates},
	},
	"budgets.reserve": {
		request: latchkey.ReserveBudgetsRequest{
			Budgets: tokens(4000), TTL: latchkey.PerMilli(2 * minute),
		},
		response: latchkey.ReservedBudgets{
			Success: true, Budgets: budgetStates, Reservation: &latchkey.NewReservation{
				ID: theReservation, Expires: latchkey.AtMilli(march2 + 2*minute),
			},
		},
	},
	"budgets.settle": {
		request: latchkey.SettleReservationRequest{
			ReservationID: theReservation, Cost: latchkey.Set[int64](1830),
		},
		response: latchkey.SettledReservation{Budgets: budgetStates, Charged: tokens(1830)},
	},
	"budgets.release": {
		request:  latchkey.ReleaseReservationRequest{ReservationID: theReservation},
		response: latchkey.SettledReservation{Budgets: budgetStates, Charged: tokens(0)},
	},
	"budgets.extend": {
		request: latchkey.ExtendReservationRequest{
			ReservationID: theReservation, TTL: latchkey.PerMilli(2 * minute),
		},
		response: latchkey.ExtendedReservation{Expires: latchkey.AtMilli(march2 + 3*minute)},
	},
	"budgets.getReservation": {
		request: latchkey.GetReservationRequest{ReservationID: theReservation}, response: reserved,
	},
	"budgets.listReservations": {
		request: latchkey.ListReservationsRequest{
			Budget: theBudget, State: latchkey.ReservationOpen,
		},
		response: []latchkey.Reservation{reserved},
	},
	"budgets.listEntries": {
		request: latchkey.ListBudgetEntriesRequest{
			Budget: theBudget, From: latchkey.AtMilli(march2), Per: latchkey.PerDay, ByKey: true,
		},
		response: []latchkey.BudgetEntry{{
			Time: latchkey.AtMilli(march2 - march2%day), Kind: latchkey.BudgetSettle, KeyID: theKey,
			Count: 217, Amount: 118400,
		}},
	},
	"portal.createPortal": {
		request: latchkey.CreatePortalRequest{
			Slug: "tideline", DisplayName: "Tideline", KeyspaceID: theKeyspace,
			LogoURL: "https://tideline.example/logo.svg", PrimaryColor: "#0a7f5a",
		},
		response: latchkey.CreatedPortal{PortalID: thePortal},
	},
	"portal.getPortal": {
		request:  latchkey.GetPortalRequest{Portal: "tideline"},
		response: portal,
	},
	"portal.updatePortal": {
		request: latchkey.UpdatePortalRequest{
			Portal: "tideline", DisplayName: latchkey.Set("Tideline"),
		},
		response: portal,
	},
	"portal.deletePortal": {
		request:  latchkey.DeletePortalRequest{Portal: "tideline"},
		response: latchkey.Empty{},
	},
	"portal.createSession": {
		request: latchkey.CreatePortalSessionRequest{
			Portal: "tideline", ExternalID: theCustomer,
			Scopes:    []string{latchkey.ScopeKeysRead, latchkey.ScopeKeysReroll},
			ReturnURL: "https://tideline.example/account",
		},
		response: latchkey.CreatedPortalSession{
			ID: theSession, URL: "https://keys.tideline.example/portal?code=" + theCode,
		},
	},
	"portal.listSessions": {
		request: latchkey.ListPortalSessionsRequest{Portal: "tideline", Search: "harbor"},
		response: []latchkey.PortalUser{{
			ExternalID: theCustomer,
			Sessions: []latchkey.PortalSession{{
				ID: theSession, Status: latchkey.SessionActive,
				CreatedAt: latchkey.AtMilli(march2), ExpiresAt: latchkey.AtMilli(march2 + day),
				Scopes: []string{latchkey.ScopeKeysRead, latchkey.ScopeKeysReroll},
			}},
		}},
	},
	"portal.revokeSession": {
		request: latchkey.RevokePortalSessionsRequest{
			Portal: "tideline", ExternalID: theCustomer,
		},
		response: latchkey.RevokedPortalSessions{SessionsRevoked: 1},
	},
	"portal.exchangeCode": {
		request: latchkey.ExchangePortalCodeRequest{Code: theCode},
		response: latchkey.PortalAccess{
			AccessToken: theAccess, ExpiresAt: latchkey.AtMilli(march2 + day),
		},
	},
	"portal.listKeys": {
		request:  latchkey.ListPortalKeysRequest{Limit: 100},
		response: []latchkey.Key{key},
	},
	"portal.rerollKey": {
		request: latchkey.RerollKeyRequest{
			KeyID: theKey, Expiration: latchkey.Set(latchkey.PerMilli(day)),
		},
		response: latchkey.CreatedKey{KeyID: "key_2bQ9tWx5N", Key: theNewSecret},
	},
	"portal.getVerifications": {
		request: latchkey.PortalVerificationsRequest{
			StartTime: latchkey.Set(latchkey.AtMilli(march2)),
			EndTime:   latchkey.Set(latchkey.AtMilli(march2 + minute)),
		},
		response: latchkey.PortalVerifications{
			BucketMillis: minute,
			Keys: []latchkey.PortalKeyVerifications{{
				KeyID: theKey,
				Data: []latchkey.PortalVerificationsPoint{
					{Time: march2, Total: 12, Valid: 11, RateLimited: 1},
				},
			}},
		},
	},
	"liveness": {
		request:  latchkey.LivenessRequest{},
		response: latchkey.Liveness{Message: "ok"},
	},
}

// inAPI returns a key with its API, as keys.listKeys does.
func inAPI(k latchkey.Key) latchkey.Key {
	k.APIID = theAPI
	return k
}
