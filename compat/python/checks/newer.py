"""Operations and arguments of the newest client only."""

from .client import NEWEST, new_api, new_key, new_role
from .errors import CONFLICT, NOT_FOUND, UNAUTHORIZED, expect_error
from .server import latchkey, now, unique
from .tally import error_of, holds, plain, same


def newer(un):
    """Check each operation and argument of the newest client."""
    if not NEWEST:
        return
    _root_keys(un)
    _workspace(un)
    role = _update_role(un)
    slug = _update_permission(un)
    for name in ("role", "role_id"):
        granted = un.permissions.set_role_permissions(request={name: role, "permissions": [slug]}).data
        same(f"the permissions after set_role_permissions by name in {name}", [p.slug for p in granted], [slug])

    limit = {"name": "requests", "limit": 9, "duration": 60_000, "auto_apply": True}
    created = new_key(un, api_id=new_api(un), ratelimits=[limit])
    seen = un.keys.verify_key(key=created.key).data
    same("verify_key in another keyspace", un.keys.verify_key(key=created.key, keyspaces=["ks_other"]).data.code, "NOT_FOUND")
    again = un.keys.verify_key(key=created.key, keyspaces=["ks_other", seen.keyspace_id]).data
    same("verify_key in its keyspace", (again.code, again.keyspace_id), ("VALID", seen.keyspace_id))
    rerolled = un.keys.reroll_key(key_id=created.key_id, expiration=None).data
    for key in (created, rerolled):
        same("verify_key after reroll_key with expiration None", un.keys.verify_key(key=key.key).data.code, "VALID")
    un.keys.update_key(key_id=created.key_id, ratelimits=None)
    same("the limits after update_key with None", un.keys.get_key(key_id=created.key_id).data.ratelimits, None)


def _root_keys(un):
    un = un.with_key(latchkey("workspaces", "create", unique("roots")))
    created = un.root_keys.create_key(permissions=["api.*.create_api"]).data
    (row,) = [k for k in un.root_keys.list_keys().result.data if k.key_id == created.key_id]
    want = {"keyId": created.key_id, "name": None, "start": created.key[: len(row.start)], "end": created.key[-4:], "enabled": True}
    want |= {"createdAt": row.created_at, "lastUsedAt": 0, "expires": None, "permissions": ["api.*.create_api"]}
    same("the new root key in list_keys", row, want)
    same("update_key of a root key", un.root_keys.update_key(key_id=created.key_id, name="n", permissions=["api.*.read_api"]).data, {})
    rerolled = un.root_keys.reroll_key(key_id=created.key_id, expiration=60_000).data
    (row,) = [k for k in un.root_keys.list_keys().result.data if k.key_id == rerolled.key_id]
    same("the rerolled root key", (row.name, row.permissions), ("n", ["api.*.read_api"]))
    for key in (created, rerolled):
        error = error_of(un.with_key(key.key).apis.get_api, api_id="api_unknown1")
        expect_error("get_api with a root key that was rerolled", error, NOT_FOUND)
    same("delete_key of a root key", un.root_keys.delete_key(key_id=rerolled.key_id).data, {})
    expect_error("get_api with a deleted root key", error_of(un.with_key(rerolled.key).apis.get_api, api_id="api_unknown1"), UNAUTHORIZED)


def _workspace(un):
    limited = un.with_key(latchkey("workspaces", "create", unique("limits"), "--requests-per-minute", "600"))
    limits = limited.workspace.get_limits().data
    same("the request limit in get_limits", plain(limits.api_requests_count_max_per_minute), {"limit": 600})
    same("log drains in get_limits", plain(limits.logdrains_max), {"limit": 0, "current": 0})
    usage = limited.workspace.get_usage().data
    holds("the period of get_usage is this month", usage.period.start <= now() and abs(usage.period.end - now()) < 60_000, usage)
    same("the usage of a new workspace", plain(usage.totals.api), {"verifications": 0, "ratelimits": 0})


def _update_role(un):
    old, name, taken = new_role(un), unique("role"), new_role(un)
    role = plain(un.permissions.update_role(role=old, name=name, description="May read.").data)
    same("the role after update_role", plain(un.permissions.get_role(role=name).data), role)
    cleared = plain(un.permissions.update_role(role=name, description=None).data)
    same("the role without its description", cleared, {"id": role["id"], "name": name})
    expect_error("update_role to a taken name", error_of(un.permissions.update_role, role=name, name=taken), CONFLICT)
    expect_error("update_role of nothing", error_of(un.permissions.update_role, role=old, name=name), NOT_FOUND)
    return name


def _update_permission(un):
    old, slug, taken = unique("docs.read"), unique("docs.read"), unique("docs.read")
    for s in (old, taken):
        un.permissions.create_permission(name=s, slug=s, description="May read.")
    permission = plain(un.permissions.update_permission(permission=old, slug=slug).data)
    same("the permission after update_permission", plain(un.permissions.get_permission(permission=slug).data), permission)
    cleared = plain(un.permissions.update_permission(permission=slug, name="Read", description=None).data)
    same("the permission without its description", cleared, {"id": permission["id"], "name": "Read", "slug": slug})
    error = error_of(un.permissions.update_permission, permission=slug, slug=taken)
    expect_error("update_permission to a taken slug", error, CONFLICT)
    expect_error("update_permission of nothing", error_of(un.permissions.update_permission, permission=old, name="x"), NOT_FOUND)
    return slug
