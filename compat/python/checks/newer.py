"""Operations and arguments of the newest client only.

The server does not support all of them. It must reject those with errors that the client
has classes for. Such a check fails once the server supports them.
"""

from .client import NEWEST, new_api, new_key, new_role
from .errors import BAD_REQUEST, CONFLICT, NOT_FOUND, expect_error
from .server import unique
from .tally import error_of, plain, same

# Operations of the newest client only. Its class for their 429 is for application/json,
# unlike all others, so they are not in the matrix.
OPERATIONS = {"permissions.update_permission", "permissions.update_role"}


def newer(un):
    """Check each operation and argument of the newest client."""
    if not NEWEST:
        return
    role = _update_role(un)
    slug = _update_permission(un)
    error = error_of(un.permissions.set_role_permissions, request={"role": role, "permissions": [slug]})
    expect_error("set_role_permissions with role in place of role_id", error, BAD_REQUEST)

    created = new_key(un, api_id=new_api(un))
    error = error_of(un.keys.verify_key, key=created.key, keyspaces=["ks_12345678"])
    expect_error("verify_key with keyspaces", error, BAD_REQUEST)
    error = error_of(un.keys.reroll_key, key_id=created.key_id, expiration=None)
    expect_error("reroll_key with expiration None", error, BAD_REQUEST)
    error = error_of(un.keys.update_key, key_id=created.key_id, ratelimits=None)
    expect_error("update_key with ratelimits None", error, BAD_REQUEST)


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
