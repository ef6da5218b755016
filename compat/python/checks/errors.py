"""Errors: their classes in the client, and those that only some operations have."""

from typing import NamedTuple, Optional

from unkey.py import errors

from .client import new_api
from .ratelimits import count, three_a_day
from .server import latchkey, unique
from .tally import error_of, holds, same


class SDKError(NamedTuple):
    """An error of the SDK. Without a type, the SDK has no class for it."""

    name: str
    status: Optional[int]
    type: Optional[str] = None  # suffix of the error's type


BAD_REQUEST = SDKError("BadRequestErrorResponse", 400, "unkey/application/invalid_input")
UNAUTHORIZED = SDKError("UnauthorizedErrorResponse", 401, "unkey/authentication/key_not_found")
FORBIDDEN = SDKError("ForbiddenErrorResponse", 403, "unkey/authorization/insufficient_permissions")
NOT_FOUND = SDKError("NotFoundErrorResponse", 404, "_not_found")
CONFLICT = SDKError("ConflictErrorResponse", 409, "_already_exists")
GONE = SDKError("GoneErrorResponse", 410, "unkey/data/ratelimit_namespace_gone")
PROTECTED = SDKError("PreconditionFailedErrorResponse", 412, "unkey/application/protected_resource")
TOO_MANY = SDKError("TooManyRequestsErrorResponse", 429, "user/too_many_requests/workspace_rate_limited")
ACCEPTED = SDKError("NoneType", None)


def expect_error(what, error, want):
    """Check that an error has the SDK's class, title, detail and request id."""
    data = getattr(error, "data", None)
    kind = data.error.type if data else None
    if want.type and kind and kind.endswith(want.type):
        kind = want.type
    got = SDKError(type(error).__name__, getattr(error, "status_code", None), kind)
    if not same(what, got, want) or want.type is None:
        return
    of_class = isinstance(error, getattr(errors, want.name)) and isinstance(error, errors.UnkeyError)
    holds(f"{what} is of the exported class", of_class, error)
    told = data.meta.request_id and data.error.title and data.error.detail and data.error.status == want.status
    holds(f"{what} is explained", told, error)


def other_errors(un):
    """Check errors that only some operations have, or only some servers."""
    api_id = new_api(un)
    latchkey("apis", "update", api_id, "--delete-protection")
    expect_error("delete_api of a protected API", error_of(un.apis.delete_api, api_id=api_id), PROTECTED)
    error = error_of(un.keys.create_key, api_id=api_id, recoverable=True)
    expect_error("a recoverable key in an API without encrypted storage", error, SDKError("APIError", 412))

    namespace = unique("gone")
    count(un, namespace, "anybody")
    latchkey("namespaces", "delete", namespace)
    expect_error("limit in a deleted namespace", error_of(count, un, namespace, "anybody"), GONE)
    error = error_of(un.ratelimit.multi_limit, request=[three_a_day(namespace, "anybody")])
    expect_error("multi_limit in a deleted namespace", error, GONE)

    few = un.with_key(latchkey("workspaces", "create", unique("few"), "--requests-per-minute", "2"))
    seen = [getattr(error_of(few.permissions.list_roles), "status_code", None) for _ in range(4)]
    same("a workspace with two requests a minute", seen, [None, None, 429, 429])
    error = error_of(few.permissions.list_roles)
    expect_error("the request after them", error, TOO_MANY)
    holds("how long to wait, in seconds", int(error.headers["retry-after"]) > 0, error.headers)

    expect_error("no root key", error_of(un.with_key(None).permissions.list_roles), BAD_REQUEST)
    error = error_of(un.apis.create_api, name="")
    faults = error.data.error.errors
    holds("what is wrong with a request", faults and all(f.location and f.message for f in faults), error)
