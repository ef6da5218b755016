"""Permissions and roles of keys, and imported keys."""

import base64
import hashlib

from .client import key_of, limit, limit_response, new_api, new_key, new_role, verify
from .errors import NOT_FOUND, expect_error
from .permissions import named
from .server import latchkey, unique
from .tally import error_of, plain, same


def grants(un):
    """Add, set and remove permissions and roles of a key."""
    key_id = new_key(un, api_id=new_api(un)).key_id
    _permissions(un, key_id)
    _roles(un, key_id)


def _permissions(un, key_id):
    a, b = unique("a.read"), unique("b.write")

    def held(what, call, slugs, want):
        """Check the whole response, and then the permissions or roles of the key."""
        response = plain(call(key_id=key_id, permissions=slugs).data)
        same(what, sorted(response, key=lambda p: p["slug"]), named(un, want))
        same(f"{what}, read back", key_of(un, key_id).get("permissions", []), want)

    held("permissions added", un.keys.add_permissions, [a, b], [a, b])
    held("permissions added again", un.keys.add_permissions, [a], [a, b])
    held("a permission removed", un.keys.remove_permissions, [a], [b])
    held("permissions set", un.keys.set_permissions, [a], [a])
    held("permissions cleared", un.keys.set_permissions, [], [])
    error = error_of(un.keys.remove_permissions, key_id=key_id, permissions=[unique("nowhere")])
    expect_error("removing a permission that does not exist", error, NOT_FOUND)


def _roles(un, key_id):
    a, b = sorted([new_role(un), new_role(un)])

    def held(what, call, names, want):
        response = plain(call(key_id=key_id, roles=names).data)
        full = [plain(un.permissions.get_role(role=name).data) for name in want]
        same(what, sorted(response, key=lambda r: r["name"]), full)
        same(f"{what}, read back", key_of(un, key_id).get("roles", []), want)

    held("roles added", un.keys.add_roles, [a, b], [a, b])
    held("a role removed", un.keys.remove_roles, [a], [b])
    held("roles set", un.keys.set_roles, [a], [a])
    held("roles cleared", un.keys.set_roles, [], [])
    error = error_of(un.keys.add_roles, key_id=key_id, roles=[unique("nobody")])
    expect_error("adding a role that does not exist", error, NOT_FOUND)


def _hash_of(key):
    """Return the hash of a migrated key."""
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


def migration(un):
    """Import keys of another system by their hashes."""
    first, second, external = unique("old"), unique("old"), unique("user")
    record = {
        "name": "moved",
        "meta": {"from": "elsewhere"},
        "roles": [new_role(un)],
        "permissions": [unique("docs.read")],
        "enabled": True,
        "credits": {"remaining": 4},
    }
    limits = [limit("requests", 10, False)]
    full = {"hash": _hash_of(first), "external_id": external, "ratelimits": limits, **record}
    request = {
        "migration_id": latchkey("migrations", "create", "sha256"),
        "api_id": new_api(un),
        "keys": [full, {"hash": _hash_of(second)}],
    }
    hashes = [_hash_of(first), _hash_of(second)]
    data = un.keys.migrate_keys(**request).data
    same("no key failed", data.failed, [])
    same("the keys brought in", [key.hash for key in data.migrated], hashes)
    got = key_of(un, data.migrated[0].key_id)
    record |= {"keyId": data.migrated[0].key_id, "start": "", "createdAt": got["createdAt"]}
    record |= {"identity": {"id": got["identity"]["id"], "externalId": external}}
    record |= {"ratelimits": [limit_response("requests", 10, False)]}
    same("a key brought in", got, record)
    same("it verifies at once", verify(un, first)["code"], "VALID")

    again = un.keys.migrate_keys(**request).data
    same("none is brought in twice", (again.migrated, sorted(again.failed)), ([], sorted(hashes)))
