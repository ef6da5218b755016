"""The SDK's retries, through a proxy that fails at first."""

from .client import new_api, new_key, verify
from .errors import NOT_FOUND, SDKError, expect_error
from .proxy import LOST, via_proxy
from .server import ROOT_KEY, unique
from .tally import error_of, same

_UNKNOWN = {"api_id": "unknown_12345"}


def retries(un):
    """Check that retries reach the server and take effect once."""
    name = unique("retried")
    with via_proxy(500, 503) as proxy:
        api_id = _by_way(un, proxy).apis.create_api(name=name).data.api_id
    same("500 and 503, then success, requests", proxy.requests, 3)
    same("the API created after retries", un.apis.get_api(api_id=api_id).data, {"id": api_id, "name": name})

    with via_proxy() as proxy:
        expect_error("get_api of nothing", error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN), NOT_FOUND)
    same("an error of the server, requests", proxy.requests, 1)
    with via_proxy(429) as proxy:
        error = error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN)
        expect_error("429 as application/json", error, SDKError("APIError", 429))
    same("429, requests", proxy.requests, 1)
    with via_proxy(500) as proxy:
        error = error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN, retries=None)
        expect_error("500", error, SDKError("InternalServerErrorResponse", 500, "about:blank"))
    same("500 without retries, requests", proxy.requests, 1)
    _spent_once(un)
    _made_once(un)


def _by_way(un, proxy):
    return un.with_key(ROOT_KEY, server_url=proxy.url)


def _spent_once(un):
    """Verify a key with credits while the first attempts do not reach the server."""
    key = new_key(un, api_id=new_api(un), credits={"remaining": 10}).key
    with via_proxy(503, 500) as proxy:
        same("credits spent once", verify(_by_way(un, proxy), key)["credits"], 9)
    same("verify_key, requests", proxy.requests, 3)


def _made_once(un):
    """Drop the response to a create_key that took effect.

    With the header Idempotency-Key, the retry does not create a second key.
    """
    api_id, headers = new_api(un), {"Idempotency-Key": unique("once")}
    with via_proxy(LOST) as proxy:
        key = new_key(_by_way(un, proxy), api_id=api_id, http_headers=headers).key
    same("a dropped response, requests", proxy.requests, 2)
    same("created keys", len(un.apis.list_keys(api_id=api_id).result.data), 1)
    same("the created key", verify(un, key)["code"], "VALID")
