"""Every operation fails in each shared way."""

from types import SimpleNamespace

from .client import NEWEST, new_api, new_key, new_role
from .errors import ACCEPTED, BAD_REQUEST, FORBIDDEN, NOT_FOUND, TOO_MANY, UNAUTHORIZED, SDKError, expect_error
from .ratelimits import count, three_a_day
from .server import DAY, latchkey, root_key, unique
from .tally import error_of

# A function for every operation that returns its request for a target. With real names a
# request succeeds for a root key with permissions, with unknown names it finds nothing,
# and with empty names it is malformed. An empty name gives a page size of 0, which is
# malformed too.
REQUESTS = {
    "apis.create_api": lambda t: {"name": t.api},
    "apis.get_api": lambda t: {"api_id": t.api},
    "apis.delete_api": lambda t: {"api_id": t.api},
    "apis.list_keys": lambda t: {"api_id": t.api},
    "identities.create_identity": lambda t: {"external_id": t.identity},
    "identities.get_identity": lambda t: {"identity": t.identity},
    "identities.list_identities": lambda t: {"limit": len(t.identity)},
    "identities.update_identity": lambda t: {"identity": t.identity},
    "identities.delete_identity": lambda t: {"identity": t.identity},
    "keys.create_key": lambda t: {"api_id": t.api},
    "keys.get_key": lambda t: {"key_id": t.key},
    "keys.whoami": lambda t: {"key": t.secret},
    "keys.update_key": lambda t: {"key_id": t.key},
    "keys.delete_key": lambda t: {"key_id": t.key},
    "keys.verify_key": lambda t: {"key": t.secret},
    "keys.reroll_key": lambda t: {"key_id": t.key, "expiration": 0},
    "keys.update_credits": lambda t: {"key_id": t.key, "operation": "set"},
    "keys.migrate_keys": lambda t: {"migration_id": t.migration, "api_id": t.api, "keys": [{"hash": unique("hash")}]},
    "keys.add_permissions": lambda t: {"key_id": t.key, "permissions": [t.permission]},
    "keys.remove_permissions": lambda t: {"key_id": t.key, "permissions": [t.permission]},
    "keys.set_permissions": lambda t: {"key_id": t.key, "permissions": [t.permission]},
    "keys.add_roles": lambda t: {"key_id": t.key, "roles": [t.role]},
    "keys.remove_roles": lambda t: {"key_id": t.key, "roles": [t.role]},
    "keys.set_roles": lambda t: {"key_id": t.key, "roles": [t.role]},
    "permissions.create_permission": lambda t: {"name": t.permission, "slug": t.permission},
    "permissions.get_permission": lambda t: {"permission": t.permission},
    "permissions.list_permissions": lambda t: {"limit": len(t.permission)},
    "permissions.delete_permission": lambda t: {"permission": t.permission},
    "permissions.create_role": lambda t: {"name": t.role},
    "permissions.get_role": lambda t: {"role": t.role},
    "permissions.list_roles": lambda t: {"limit": len(t.role)},
    "permissions.delete_role": lambda t: {"role": t.role},
    "ratelimit.limit": lambda t: three_a_day(t.namespace, t.identifier),
    "ratelimit.multi_limit": lambda t: {"request": [three_a_day(t.namespace, t.identifier)]},
    "ratelimit.set_override": lambda t: {"namespace": t.namespace, "identifier": t.identifier, "limit": 1, "duration": DAY},
    "ratelimit.get_override": lambda t: {"namespace": t.namespace, "identifier": t.identifier},
    "ratelimit.list_overrides": lambda t: {"namespace": t.namespace},
    "ratelimit.delete_override": lambda t: {"namespace": t.namespace, "identifier": t.identifier},
}
if NEWEST:
    REQUESTS["permissions.update_role"] = lambda t: {"role": t.role, "name": t.role}
    REQUESTS |= {
        "root_keys.create_key": lambda t: {"permissions": [t.permission]},
        "root_keys.list_keys": lambda t: {"limit": len(t.identity)},
        "root_keys.update_key": lambda t: {"key_id": t.root_key, "enabled": True},
        "root_keys.reroll_key": lambda t: {"key_id": t.root_key, "expiration": 0},
        "root_keys.delete_key": lambda t: {"key_id": t.root_key},
        "workspace.get_limits": lambda t: {},
        "workspace.get_usage": lambda t: {"period": {"year": 2026, "month": min(len(t.identity), 12)}},
    }
    REQUESTS["permissions.update_permission"] = lambda t: {"permission": t.permission, "slug": t.permission}
    REQUESTS["permissions.set_role_permissions"] = lambda t: {"request": {"role_id": t.role, "permissions": [t.permission]}}

# The operations that do not need an existing object.
NEED_NOTHING = {
    "apis.create_api", "identities.create_identity", "identities.list_identities", "keys.verify_key",
    "permissions.create_permission", "permissions.create_role", "permissions.list_permissions", "permissions.list_roles",
    "ratelimit.limit", "ratelimit.multi_limit",
    "root_keys.create_key", "root_keys.list_keys", "workspace.get_limits", "workspace.get_usage",
}  # fmt: skip

# The operation that has no request, so none can be malformed.
NO_REQUEST = "workspace.get_limits"

# The operations that mask the error of a root key without permission.
HIDDEN = {
    "apis.list_keys": NOT_FOUND,
    "keys.create_key": NOT_FOUND,
    "keys.whoami": NOT_FOUND,
    "ratelimit.get_override": NOT_FOUND,
    "keys.verify_key": ACCEPTED,
    "root_keys.list_keys": ACCEPTED,
}

MEMBERS = ("api", "key", "secret", "identity", "permission", "role", "namespace", "identifier", "migration", "root_key")


def _named(name):
    return SimpleNamespace(**dict.fromkeys(MEMBERS, name))


def _real_things(un):
    """Create one object of each kind."""
    real = _named("user_1")
    real.api, real.identity, real.permission = new_api(un), unique("user"), unique("docs.read")
    created = new_key(un, api_id=real.api, external_id=real.identity, permissions=[real.permission])
    real.key, real.secret, real.role, real.namespace = created.key_id, created.key, new_role(un), unique("namespace")
    count(un, real.namespace, real.identifier)
    un.ratelimit.set_override(namespace=real.namespace, identifier=real.identifier, limit=1, duration=DAY)
    real.migration = latchkey("migrations", "create", "sha256")
    if NEWEST:
        real.root_key = un.root_keys.create_key(permissions=[]).data.key_id
    return real


def errors_of_all(un):
    """Check that the SDK returns its own class for each error of each operation."""
    limited = un.with_key(latchkey("workspaces", "create", unique("limited"), "--requests-per-minute", "0"))
    powerless, nobody = un.with_key(root_key("ratelimit.*.read_analytics")), un.with_key(unique("latchkey"))
    real, unknown, empty = _real_things(un), _named("unknown_12345"), _named("")
    for operation, request in REQUESTS.items():
        group, method = operation.split(".")

        def call(un, about):
            return error_of(getattr(getattr(un, group), method), **request(about))

        if operation != NO_REQUEST:
            expect_error(f"{operation} malformed", call(un, empty), BAD_REQUEST)
        expect_error(f"{operation} with an unknown root key", call(nobody, unknown), UNAUTHORIZED)
        expect_error(f"{operation} without permission", call(powerless, real), HIDDEN.get(operation, FORBIDDEN))
        too_many = SDKError("APIError", 429) if operation == "root_keys.create_key" else TOO_MANY  # it has no class for it
        expect_error(f"{operation} above the workspace's limit", call(limited, unknown), too_many)
        if operation not in NEED_NOTHING:
            expect_error(f"{operation} of nothing", call(un, unknown), _of_nothing(operation))


def _of_nothing(operation):
    """Return the error of an operation on an object that does not exist."""
    if operation == "permissions.delete_role":
        return SDKError("APIError", 404)  # the SDK has no class for it
    return NOT_FOUND
