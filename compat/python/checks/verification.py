"""keys.verifyKey: every code, costs, permission queries and rate limits."""

from .client import limit, limit_response, new_api, new_key, verify
from .errors import BAD_REQUEST, SDKError, expect_error
from .server import DAY, ROOT_KEY, latchkey, now, unique
from .tally import error_of, holds, same

_NOTHING = {"valid": False, "code": "NOT_FOUND"}


def _code(what, got, want):
    """Check a code, and that only VALID is valid."""
    same(what, (got["code"], got["valid"]), (want, want == "VALID"))


def verification(un):
    """Make the server respond with every code."""
    api_id = new_api(un)
    key = new_key(un, api_id=api_id).key
    _code("a good key", verify(un, key), "VALID")
    same("an unknown key", verify(un, unique("sk")), _NOTHING)
    same("a root key", verify(un, ROOT_KEY), _NOTHING)
    _code("a disabled key", verify(un, new_key(un, api_id=api_id, enabled=False).key), "DISABLED")
    expired = new_key(un, api_id=api_id, expires=now() - 60_000)
    _code("an expired key", verify(un, expired.key), "EXPIRED")
    _spending(un, api_id)
    _queries(un, api_id)

    latchkey("apis", "update", api_id, "--ip-whitelist=192.0.2.7")
    _code("a key from an address that is not listed", verify(un, key), "FORBIDDEN")
    latchkey("apis", "update", api_id, "--ip-whitelist=192.0.2.7,127.0.0.0/8,::1")
    _code("a key from a listed network", verify(un, key), "VALID")


def _spending(un, api_id):
    """Verify a key with different costs."""
    key = new_key(un, api_id=api_id, credits={"remaining": 5}).key

    def spend(what, want, balance, **request):
        got = verify(un, key, **request)
        _code(what, got, want)
        same(f"{what}, credits", got["credits"], balance)

    spend("a cost within the balance", "VALID", 2, credits={"cost": 3})
    spend("a cost above the balance", "USAGE_EXCEEDED", 2, credits={"cost": 3})
    spend("the default cost", "VALID", 1)
    spend("the last credit", "VALID", 0, credits={"cost": 1})
    spend("an empty balance", "USAGE_EXCEEDED", 0)
    spend("no cost", "VALID", 0, credits={"cost": 0})


def _queries(un, api_id):
    """Check queries for permissions that a key has and does not have."""
    key = new_key(un, api_id=api_id, permissions=["docs.read", "docs.write"]).key
    held = ["docs.read", "docs.read AND docs.write", "docs.delete OR docs.write", "docs.read and (docs.delete or docs.write)"]
    lacking = ["docs.delete", "docs.read AND docs.delete", "docs.*", "(docs.delete OR docs.admin) AND docs.read"]
    for query in held:
        _code(query, verify(un, key, permissions=query), "VALID")
    for query in lacking:
        _code(query, verify(un, key, permissions=query), "INSUFFICIENT_PERMISSIONS")
    error = error_of(verify, un, key, permissions="docs.read AND (")
    expect_error("an invalid query", error, BAD_REQUEST._replace(type="user/bad_request/permissions_query_syntax_error"))
    _code("an unknown key with that query", verify(un, unique("sk"), permissions="docs.read AND ("), "NOT_FOUND")


def key_limits(un):
    """Verify a key until its own, its identity's and ad hoc limits deny."""
    api_id, external = new_api(un), unique("user")
    un.identities.create_identity(external_id=external, ratelimits=[limit("shared", 3, True)])
    request = {"api_id": api_id, "external_id": external, "ratelimits": [limit("own", 2, False)]}
    one, other = new_key(un, **request), new_key(un, **request)

    def ask(created, limits=None):
        got = verify(un, created.key, ratelimits=limits)
        return got["code"], {item["name"]: item for item in got.get("ratelimits", [])}

    own = [{"name": "own"}]
    _, got = ask(one, own)
    same("own and shared limit, first", (got["own"]["remaining"], got["shared"]["remaining"]), (1, 2))
    holds("limits have ids", got["own"]["id"] and got["shared"]["id"], got)
    same("shared limit through the other key", ask(other)[1]["shared"]["remaining"], 1)
    same("own limit, last", ask(one, own)[1]["own"]["remaining"], 0)
    code, got = ask(one, own)
    same("own and shared limit, too many", (code, got["own"]["exceeded"], got["shared"]["exceeded"]), ("RATE_LIMITED", True, True))

    free = new_key(un, api_id=api_id)
    ad_hoc = [{"name": "burst", "limit": 5, "duration": DAY, "cost": 4}]
    burst = ask(free, ad_hoc)[1]["burst"]
    want = {**limit_response("burst", 5, False), "id": "", "exceeded": False, "remaining": 1, "reset": burst["reset"]}
    same("an ad-hoc limit", burst, want)
    same("an ad-hoc limit exceeded", ask(free, ad_hoc)[0], "RATE_LIMITED")
    error = error_of(verify, un, free.key, ratelimits=own)
    expect_error("a limit that does not exist", error, SDKError("APIError", 412))
