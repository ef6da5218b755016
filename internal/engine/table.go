package engine

// Ops is the API: every operation once. Routes, the OpenAPI document, the
// command line, the in-process client and the tests all range over it. What is
// not in it does not exist.
var Ops = []*Op{
	plain("apis.createApi", "api.*.create_api", (*Engine).CreateAPI),
	plain("apis.getApi", "api.*.read_api or api.<apiId>.read_api", (*Engine).GetAPI, reads, refuses(404)),
	plain("apis.deleteApi", "api.*.delete_api or api.<apiId>.delete_api", (*Engine).DeleteAPI, refuses(404, 412)),
	paged("apis.listKeys", "api.*.read_key and api.*.read_api, each also for one apiId; decrypt: and api.*.decrypt_key", (*Engine).ListKeys, reads, refuses(404, 412)),
	paged("apis.listApis", "api.*.read_api", (*Engine).ListAPIs, reads),
	plain("apis.updateApi", "api.*.update_api or api.<apiId>.update_api", (*Engine).UpdateAPI, refuses(404)),

	plain("keys.createKey", "api.*.create_key or api.<apiId>.create_key; recoverable: and encrypt_key", (*Engine).CreateKey, refuses(404, 412)),
	plain("keys.getKey", "api.*.read_key or api.<apiId>.read_key; decrypt: and decrypt_key", (*Engine).GetKey, reads, refuses(404, 412)),
	plain("keys.whoami", "api.*.read_key or api.<apiId>.read_key", (*Engine).Whoami, reads, refuses(404)),
	plain("keys.updateKey", "api.*.update_key or api.<apiId>.update_key", (*Engine).UpdateKey, refuses(404)),
	plain("keys.deleteKey", "api.*.delete_key or api.<apiId>.delete_key", (*Engine).DeleteKey, refuses(404)),
	plain("keys.verifyKey", "api.*.verify_key or api.<apiId>.verify_key", (*Engine).VerifyKey, refuses(412)),
	plain("keys.rerollKey", "api.*.create_key or api.<apiId>.create_key; recoverable: and encrypt_key", (*Engine).RerollKey, refuses(404, 412)),
	plain("keys.updateCredits", "api.*.update_key or api.<apiId>.update_key", (*Engine).UpdateCredits, refuses(404)),
	plain("keys.addPermissions", "update_key on the API and rbac.*.add_permission_to_key; new slugs: and rbac.*.create_permission", (*Engine).AddPermissions, refuses(404)),
	plain("keys.removePermissions", "update_key on the API and rbac.*.remove_permission_from_key", (*Engine).RemovePermissions, refuses(404)),
	plain("keys.setPermissions", "update_key on the API, rbac.*.add_permission_to_key and rbac.*.remove_permission_from_key; new slugs: and rbac.*.create_permission", (*Engine).SetPermissions, refuses(404)),
	plain("keys.addRoles", "update_key on the API and rbac.*.add_role_to_key", (*Engine).AddRoles, refuses(404)),
	plain("keys.removeRoles", "api.*.update_key or api.<apiId>.update_key", (*Engine).RemoveRoles, refuses(404)),
	plain("keys.setRoles", "api.*.update_key or api.<apiId>.update_key", (*Engine).SetRoles, refuses(404)),
	plain("keys.migrateKeys", "api.*.create_key or api.<apiId>.create_key", (*Engine).MigrateKeys, refuses(404)),

	plain("identities.createIdentity", "identity.*.create_identity", (*Engine).CreateIdentity, refuses(409)),
	plain("identities.getIdentity", "identity.*.read_identity or identity.<identityId>.read_identity", (*Engine).GetIdentity, reads, refuses(404)),
	paged("identities.listIdentities", "identity.*.read_identity, or identity.<identityId>.read_identity of all on the page", (*Engine).ListIdentities, reads),
	plain("identities.updateIdentity", "identity.*.update_identity", (*Engine).UpdateIdentity, refuses(404)),
	silent("identities.deleteIdentity", "identity.*.delete_identity", (*Engine).DeleteIdentity, refuses(404)),

	plain("permissions.createPermission", "rbac.*.create_permission", (*Engine).CreatePermission, refuses(409)),
	plain("permissions.getPermission", "rbac.*.read_permission", (*Engine).GetPermission, reads, refuses(404)),
	paged("permissions.listPermissions", "rbac.*.read_permission", (*Engine).ListPermissions, reads),
	plain("permissions.updatePermission", "rbac.*.update_permission", (*Engine).UpdatePermission, refuses(404, 409)),
	plain("permissions.deletePermission", "rbac.*.delete_permission", (*Engine).DeletePermission, refuses(404)),
	plain("permissions.createRole", "rbac.*.create_role; with permissions: and rbac.*.add_permission_to_role; new slugs: and rbac.*.create_permission", (*Engine).CreateRole, refuses(409)),
	plain("permissions.getRole", "rbac.*.read_role", (*Engine).GetRole, reads, refuses(404)),
	paged("permissions.listRoles", "rbac.*.read_role", (*Engine).ListRoles, reads),
	plain("permissions.updateRole", "rbac.*.update_role", (*Engine).UpdateRole, refuses(404, 409)),
	plain("permissions.deleteRole", "rbac.*.delete_role", (*Engine).DeleteRole, refuses(404)),
	plain("permissions.setRolePermissions", "rbac.*.add_permission_to_role and rbac.*.remove_permission_from_role; new slugs: and rbac.*.create_permission", (*Engine).SetRolePermissions, refuses(404)),

	plain("ratelimit.limit", "ratelimit.*.limit or ratelimit.<namespaceId>.limit; new namespace: and ratelimit.*.create_namespace", (*Engine).Limit, refuses(410)),
	plain("ratelimit.multiLimit", "ratelimit.*.limit, or ratelimit.<namespaceId>.limit of every namespace; new namespace: and ratelimit.*.create_namespace", (*Engine).MultiLimit, refuses(410)),
	plain("ratelimit.setOverride", "ratelimit.*.set_override or ratelimit.<namespaceId>.set_override", (*Engine).SetOverride, refuses(404)),
	plain("ratelimit.getOverride", "ratelimit.*.read_override or ratelimit.<namespaceId>.read_override", (*Engine).GetOverride, reads, refuses(404)),
	paged("ratelimit.listOverrides", "ratelimit.*.read_override or ratelimit.<namespaceId>.read_override", (*Engine).ListOverrides, reads, refuses(404)),
	plain("ratelimit.deleteOverride", "ratelimit.*.delete_override or ratelimit.<namespaceId>.delete_override", (*Engine).DeleteOverride, refuses(404)),
	paged("ratelimit.listNamespaces", "ratelimit.*.read_namespace", (*Engine).ListNamespaces, reads),
	plain("ratelimit.updateNamespace", "ratelimit.*.update_namespace or ratelimit.<namespaceId>.update_namespace", (*Engine).UpdateNamespace, refuses(404)),
	plain("ratelimit.deleteNamespace", "ratelimit.*.delete_namespace or ratelimit.<namespaceId>.delete_namespace", (*Engine).DeleteNamespace, refuses(404)),

	plain("analytics.getVerifications", "api.*.read_analytics or api.<apiId>.read_analytics", (*Engine).GetVerifications, reads, refuses(412, 422)),
	plain("analytics.getRatelimits", "ratelimit.*.read_analytics or ratelimit.<namespaceId>.read_analytics", (*Engine).GetRatelimits, reads, refuses(412, 422)),

	plain("workspaces.createWorkspace", "operator", (*Engine).CreateWorkspace),
	plain("workspaces.getWorkspace", "operator", (*Engine).GetWorkspace, reads, refuses(404)),
	paged("workspaces.listWorkspaces", "operator", (*Engine).ListWorkspaces, reads),
	plain("workspaces.updateWorkspace", "operator", (*Engine).UpdateWorkspace, refuses(404, 412)),
	plain("workspaces.deleteWorkspace", "operator", (*Engine).DeleteWorkspace, refuses(404, 412)),

	plain("rootKeys.createRootKey", "root_key.*.create_root_key, and every permission that is handed on", (*Engine).CreateRootKey, refuses(404)),
	paged("rootKeys.listRootKeys", "root_key.*.read_root_key", (*Engine).ListRootKeys, reads, refuses(404)),
	plain("rootKeys.updateRootKey", "root_key.*.update_root_key, and every permission that the root key holds", (*Engine).UpdateRootKey, refuses(404, 412)),
	plain("rootKeys.deleteRootKey", "root_key.*.delete_root_key, and every permission that the root key holds", (*Engine).DeleteRootKey, refuses(404, 412)),

	plain("migrations.createMigration", "migration.*.create_migration", (*Engine).CreateMigration),
	paged("auditLogs.listAuditLogs", "audit_log.*.read_audit_log", (*Engine).ListAuditLogs, reads),

	plain("liveness", "", (*Engine).Liveness, reads, public, get),
}

// public marks an operation that needs no root key.
func public(op *Op) { op.Public = true }

// get marks an operation that is a GET.
func get(op *Op) { op.GET = true }

// AllPermissions is every permission that an operation can ask for, except the
// operator's: what a root key needs to do anything in its workspace.
var AllPermissions = []string{
	"api.*.create_api", "api.*.read_api", "api.*.update_api", "api.*.delete_api",
	"api.*.create_key", "api.*.read_key", "api.*.update_key", "api.*.delete_key", "api.*.verify_key",
	"api.*.encrypt_key", "api.*.decrypt_key", "api.*.read_analytics",
	"ratelimit.*.create_namespace", "ratelimit.*.read_namespace", "ratelimit.*.update_namespace", "ratelimit.*.delete_namespace",
	"ratelimit.*.limit", "ratelimit.*.set_override", "ratelimit.*.read_override", "ratelimit.*.delete_override",
	"ratelimit.*.list_overrides", "ratelimit.*.read_analytics",
	"rbac.*.create_permission", "rbac.*.read_permission", "rbac.*.update_permission", "rbac.*.delete_permission",
	"rbac.*.create_role", "rbac.*.read_role", "rbac.*.update_role", "rbac.*.delete_role",
	"rbac.*.add_permission_to_key", "rbac.*.remove_permission_from_key",
	"rbac.*.add_role_to_key", "rbac.*.remove_role_from_key",
	"rbac.*.add_permission_to_role", "rbac.*.remove_permission_from_role",
	"identity.*.create_identity", "identity.*.read_identity", "identity.*.update_identity", "identity.*.delete_identity",
	"root_key.*.create_root_key", "root_key.*.read_root_key", "root_key.*.update_root_key", "root_key.*.delete_root_key",
	"migration.*.create_migration", "audit_log.*.read_audit_log",
}
