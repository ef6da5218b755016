"""The SDK's retries, through a proxy that fails at first."""

from .client import new_api, new_key, verify
from .errors import NOT_FOUND, Refusal, refused
from .proxy import LOST, through
from .server import ROOT_KEY, unique
from .tally import error_of, same

_UNKNOWN = {"api_id": "unknown_12345"}


def retries(un):
    """Check that retries reach the server and do what was asked once."""
    name = unique("retried")
    with through(500, 503) as proxy:
        api_id = _by_way(un, proxy).apis.create_api(name=name).data.api_id
    same("500 and 503, then success, sends", proxy.sends, 3)
    same("the API made in the end", un.apis.get_api(api_id=api_id).data, {"id": api_id, "name": name})

    with through() as proxy:
        refused("get_api of nothing", error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN), NOT_FOUND)
    same("a refusal by the server, sends", proxy.sends, 1)
    with through(429) as proxy:
        error = error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN)
        refused("429 as application/json", error, Refusal("APIError", 429))
    same("429, sends", proxy.sends, 1)
    with through(500) as proxy:
        error = error_of(_by_way(un, proxy).apis.get_api, **_UNKNOWN, retries=None)
        refused("500", error, Refusal("InternalServerErrorResponse", 500, "about:blank"))
    same("500 without retries, sends", proxy.sends, 1)
    _spent_once(un)
    _made_once(un)


def _by_way(un, proxy):
    return un.with_key(ROOT_KEY, server_url=proxy.url)


def _spent_once(un):
    """Verify with a cost while the first tries do not reach the server."""
    key = new_key(un, api_id=new_api(un), credits={"remaining": 10}).key
    with through(503, 500) as proxy:
        same("credits spent once", verify(_by_way(un, proxy), key)["credits"], 9)
    same("verify_key, sends", proxy.sends, 3)


def _made_once(un):
    """Lose the answer to a create_key that was carried out.

    The header Idempotency-Key, which the SDK sends along if told to, makes the
    repetition harmless.
    """
    api_id, headers = new_api(un), {"Idempotency-Key": unique("once")}
    with through(LOST) as proxy:
        key = new_key(_by_way(un, proxy), api_id=api_id, http_headers=headers).key
    same("a lost answer, sends", proxy.sends, 2)
    same("keys made", len(un.apis.list_keys(api_id=api_id).result.data), 1)
    same("the key made", verify(un, key)["code"], "VALID")
