"""Exercises unkey.py 0.7.2, the asynchronous client with services, and its decorator.

BASE_URL and ROOT_KEY are set by compat/run.
"""

import asyncio
import json
import os
import sys
import time
import urllib.request

import unkey
import unkey.constants

from application import served
from tally import Recorder, same, summary, tried

BASE, ROOT = os.environ["BASE_URL"], os.environ["ROOT_KEY"]
unkey.constants.API_BASE_URL = BASE  # protected has no other way to another server
methods = {"protected"}


def new_api():
    """Create an API, which this client can't."""
    request = urllib.request.Request(
        BASE + "/v1/apis.createApi",
        json.dumps({"name": "payments"}).encode(),
        {"Authorization": f"Bearer {ROOT}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["apiId"]


async def services(api):
    """Call each method of each service."""
    async with unkey.Client(ROOT, api_base_url=BASE) as opened:
        client = Recorder(opened, methods)
        expires = int(time.time() * 1000) + 60_000
        limit = unkey.Ratelimit(unkey.RatelimitType.Fast, 3, 3, 60_000)
        refill = unkey.Refill(10, unkey.RefillInterval.Daily)
        made = await client.keys.create_key(
            api, "owner_1", "sk", name="n", byte_length=16, meta={"plan": "pro"}, expires=60_000,
            remaining=5, ratelimit=limit, refill=refill,
        )
        same("create_key", (made.is_ok, made.unwrap().key[:3]), (True, "sk_"))
        key = made.unwrap()
        for remaining in (4, 3, 2):
            seen = (await client.keys.verify_key(key.key, api)).unwrap()
            same("verify_key", (seen.valid, seen.remaining, seen.owner_id), (True, remaining, "owner_1"))
            same("its limit", (seen.ratelimit.limit, seen.ratelimit.remaining), (3, remaining - 2))
        same("its time", abs(seen.expires - expires) < 10_000, True)
        same("its metadata", seen.meta, {"plan": "pro"})
        seen = (await client.keys.verify_key(key.key, api)).unwrap()
        same("a used limit", (seen.valid, seen.code), (False, unkey.ErrorCode.Ratelimited))
        record = (await client.keys.get_key(key.key_id)).unwrap()
        same("get_key", (record.id, record.api_id, record.owner_id), (key.key_id, api, "owner_1"))
        same("its refill", (record.refill.amount, record.refill.interval), (10, unkey.RefillInterval.Daily))
        same("its ratelimit", record.ratelimit.limit, 3)
        same("update_key", (await client.keys.update_key(key.key_id, name="other", remaining=None)).is_ok, True)
        for op, value, want in ((unkey.UpdateOp.Set, 7, 7), (unkey.UpdateOp.Increment, 2, 9), (unkey.UpdateOp.Decrement, 4, 5)):
            same(f"update_remaining {op}", (await client.keys.update_remaining(key.key_id, value, op)).unwrap(), want)
        same("get_api", (await client.apis.get_api(api)).unwrap().name, "payments")
        listed = (await client.apis.list_keys(api, owner_id="owner_1")).unwrap()
        same("list_keys", ([k.id for k in listed.keys], listed.total), ([key.key_id], 1))
        empty = (await client.apis.list_keys(api, cursor=listed.cursor)).unwrap()
        same("the page after the last one", empty.keys, [])
        same("revoke_key", (await client.keys.revoke_key(key.key_id)).is_ok, True)
        error = (await client.keys.get_key(key.key_id)).unwrap_err()
        same("a revoked key", (error.status, error.code), (404, unkey.ErrorCode.NotFound))
        error = (await client.keys.create_key(api, "o", "x" * 99)).unwrap_err()
        same("a bad prefix", (error.status, error.code), (400, unkey.ErrorCode.BadRequest))
    client = Recorder(unkey.Client("unkey_unknown", api_base_url="http://127.0.0.1:9"), methods)
    await client.start()
    client.set_api_base_url(BASE)
    error = (await client.apis.get_api(api)).unwrap_err()
    same("an unknown root key", (error.status, error.code), (403, unkey.ErrorCode.Unauthorized))
    client.set_api_key(ROOT)
    same("set_api_key", (await client.apis.get_api(api)).is_ok, True)
    await client.close()


async def decorator(api):
    """Call decorated functions with keys of every kind, and each hook."""
    async with unkey.Client(ROOT, api_base_url=BASE) as client:
        async def new(**settings):
            return (await client.keys.create_key(api, "owner_1", "sk", **settings)).unwrap().key

        good, used, short = await new(), await new(remaining=1), await new(expires=1)

    calls = []

    def extract(key):
        return key

    @unkey.protected(api, extract)
    async def asynchronous(key, *, unkey_verification):
        return unkey_verification.owner_id

    @unkey.protected(api, extract, on_invalid_key=lambda data, v=None: ("refused", data["code"], v is not None))
    def synchronous(key, *, unkey_verification):
        return unkey_verification.valid

    @unkey.protected("api_unknown", extract)
    def elsewhere(key, *, unkey_verification):
        calls.append(key)

    @unkey.protected(api, lambda key: 1 / 0, on_exc=lambda exc: type(exc).__name__)
    def broken(key, *, unkey_verification):
        calls.append(key)

    @unkey.protected(api, extract)
    def failing(key, *, unkey_verification):
        raise KeyError(key)

    same("a good key, async", await asynchronous(good), "owner_1")
    same("a good key, sync", await synchronous(good), True)
    same("an unknown key", await asynchronous("sk_unknown"), {"code": "NOT_FOUND", "message": None})
    same("no key", await asynchronous(None), {"code": None, "message": "Failed to extract API key"})
    same("a used-up key, first", await synchronous(used), True)
    same("a used-up key", await synchronous(used), ("refused", "KEY_USAGE_EXCEEDED", True))
    time.sleep(0.01)
    same("an expired key", (await asynchronous(short))["code"], "UNKNOWN")  # it doesn't know EXPIRED
    same("a key of another API", await elsewhere(good), {"code": "FORBIDDEN", "message": None})
    same("an exception", await broken(good), "ZeroDivisionError")
    try:
        await failing(good)
        same("an exception without on_exc", None, "KeyError")
    except KeyError as error:
        same("an exception without on_exc", error.args, (good,))
    same("calls of functions behind a closed door", calls, [])


async def routes(api):
    """Call routes of a FastAPI application with keys of every kind."""
    async with unkey.Client(ROOT, api_version=1, api_base_url=BASE) as client:
        async def new(**settings):
            return (await client.keys.create_key(api, "owner_1", "sk", **settings)).unwrap().key

        good, used, short = await new(), await new(remaining=1), await new(expires=1)
    async with served(api) as get:
        same("a route, a good key", await get("/async", good), (200, {"owner": "owner_1", "remaining": None}))
        same("a route, a bad key", await get("/async", "sk_unknown"), (401, {"code": "NOT_FOUND", "message": None}))
        same("a route, no key", await get("/async"), (401, {"code": None, "message": "Failed to extract API key"}))
        same("a route, a key that is used up now", await get("/async", used), (200, {"owner": "owner_1", "remaining": 0}))
        same("a route, a used-up key", await get("/async", used), (401, {"code": "KEY_USAGE_EXCEEDED", "message": None}))
        same("a route, an expired key", await get("/async", short), (401, {"code": "UNKNOWN", "message": None}))
        same("a synchronous route", await get("/sync", good), (200, {"owner": "owner_1"}))
        # Without on_invalid_key the decorator returns the denial as if it were a result.
        same("a synchronous route, a bad key", await get("/sync", "sk_unknown"), (200, {"code": "NOT_FOUND", "message": None}))


api_id = new_api()
asyncio.run(services(api_id))
asyncio.run(decorator(api_id))
asyncio.run(routes(api_id))
tried("`unkey.py`", "0.7.2", methods)
sys.exit(summary())
