"""permissions.*"""

from .client import NEWEST
from .errors import CONFLICT, NOT_FOUND, expect_error
from .server import unique
from .tally import error_of, plain, same


def permissions(un):
    """Create, read and delete permissions and roles."""
    _one_permission(un)
    _one_role(un)


def named(un, slugs):
    """Read permissions by their slugs."""
    return [plain(un.permissions.get_permission(permission=slug).data) for slug in slugs]


def _one_permission(un):
    slug = unique("documents.read")
    create = {"name": f"Read {slug}", "slug": slug, "description": "May read."}
    id = un.permissions.create_permission(**create).data.permission_id
    want = {"id": id, **create}
    for by in (id, slug):
        same(f"the permission by {by}", un.permissions.get_permission(permission=by).data, want)
    if NEWEST:
        found = un.permissions.list_permissions(search=slug).result.data
        same("the permission found by search", found, [want])
    expect_error("a slug taken twice", error_of(un.permissions.create_permission, **create), CONFLICT)
    same("the response to a deletion", un.permissions.delete_permission(permission=slug).data, {})
    error = error_of(un.permissions.get_permission, permission=id)
    expect_error("get_permission of a deleted permission", error, NOT_FOUND)


def _one_role(un):
    create = {"name": unique("editor"), "description": "May edit."}
    id = un.permissions.create_role(**create).data.role_id
    want = {"id": id, **create}
    for by in (id, create["name"]):
        same(f"the role by {by}", un.permissions.get_role(role=by).data, want)
    if NEWEST:
        same("the role found by search", un.permissions.list_roles(search=create["name"]).result.data, [want])
        _role_permissions(un)
    expect_error("a role's name taken twice", error_of(un.permissions.create_role, **create), CONFLICT)
    same("the response to a deletion", un.permissions.delete_role(role=create["name"]).data, {})
    expect_error("get_role of a deleted role", error_of(un.permissions.get_role, role=id), NOT_FOUND)


def _role_permissions(un):
    """Replace the permissions of a role: one stays, one is added, one is removed."""

    def held():
        return sorted(plain(un.permissions.get_role(role=id).data).get("permissions", []), key=lambda p: p["slug"])

    def set_to(slugs):
        request = {"role_id": id, "permissions": slugs}
        return un.permissions.set_role_permissions(request=request).data

    first = [unique("a.read"), unique("b.write")]
    id = un.permissions.create_role(name=unique("writer"), permissions=first).data.role_id
    same("a role created with permissions", held(), named(un, first))
    second = [first[0], unique("c.delete")]
    same("a role's permissions in the response", set_to(second), named(un, second))
    same("a role's permissions read back", held(), named(un, second))
    same("a role's permissions cleared", set_to([]), [])
    same("a role without permissions", held(), [])
