"""What the newest client can ask for and the server does not offer.

It must be told so in errors that the client has classes for. A check here that
fails means that the server has learnt something: it then belongs elsewhere.
"""

from .client import NEWEST, new_api, new_key, new_role
from .errors import BAD_REQUEST, Refusal, refused
from .server import unique
from .tally import error_of

# The operations that the server does not have.
UNSERVED = {"permissions.update_permission", "permissions.update_role"}

_NO_ROUTE = Refusal("NotFoundErrorResponse", 404, "user/bad_request/route_not_found")


def newer(un):
    """Ask for each thing that only the newest client knows."""
    if not NEWEST:
        return
    role = new_role(un)
    refused("update_role", error_of(un.permissions.update_role, role=role, name=unique("role")), _NO_ROUTE)
    slug = unique("docs.read")
    un.permissions.create_permission(name=slug, slug=slug)
    error = error_of(un.permissions.update_permission, permission=slug, description=None)
    refused("update_permission", error, _NO_ROUTE)
    error = error_of(un.permissions.set_role_permissions, request={"role": role, "permissions": [slug]})
    refused("set_role_permissions with role in place of role_id", error, BAD_REQUEST)

    made = new_key(un, api_id=new_api(un))
    error = error_of(un.keys.verify_key, key=made.key, keyspaces=["ks_12345678"])
    refused("verify_key with keyspaces", error, BAD_REQUEST)
    error = error_of(un.keys.reroll_key, key_id=made.key_id, expiration=None)
    refused("reroll_key with expiration None", error, BAD_REQUEST)
    error = error_of(un.keys.update_key, key_id=made.key_id, ratelimits=None)
    refused("update_key with ratelimits None", error, BAD_REQUEST)
