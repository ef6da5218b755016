"""keys.createKey, getKey, whoami, rerollKey, deleteKey and apis.listKeys."""

from .client import NEWEST, comparable, key_of, limit, limit_response, new_api, new_key, new_role, verify
from .errors import NOT_FOUND, expect_error
from .server import DAY, latchkey, now, unique
from .tally import error_of, holds, plain, same

MINUTE = 60_000


def full_key(un, api_id):
    """Return a request for a key with every property, and the expected record."""
    shared = {
        "name": "full",
        "meta": {"plan": "pro", "seats": 3, "nested": {"on": True}},
        "roles": [new_role(un)],
        "permissions": sorted([unique("docs.read"), unique("docs.write")]),
        "expires": now() + 60 * MINUTE,
        "enabled": True,
    }
    refill = {"interval": "monthly", "amount": 100}
    external = unique("user")
    request = {
        **shared,
        "api_id": api_id,
        "prefix": "my_app",
        "byte_length": 24,
        "external_id": external,
        "recoverable": True,
        "credits": {"remaining": 50, "refill": {**refill, "refill_day": 15}},
        "ratelimits": [limit("requests", 10, True), limit("tokens", 500, False)],
    }
    want = {
        **shared,
        "identity": {"externalId": external},
        "credits": {"remaining": 50, "refill": {**refill, "refillDay": 15}},
        "ratelimits": [limit_response("requests", 10, True), limit_response("tokens", 500, False)],
    }
    return request, want


def keys(un):
    """Create a key with every property and read it in all four ways."""
    api_id = new_api(un)
    latchkey("apis", "update", api_id, "--store-encrypted-keys")
    request, want = full_key(un, api_id)
    before = now() - MINUTE
    created = new_key(un, **request)
    holds("the key has its whole prefix", created.key.startswith("my_app_"))

    got = key_of(un, created.key_id)
    holds("the moment of creation in milliseconds", before < got["createdAt"] < before + 2 * MINUTE, got["createdAt"])
    want["identity"]["id"] = got["identity"]["id"]
    want |= {"keyId": created.key_id, "start": created.key[: len("my_app_") + 4], "createdAt": got["createdAt"]}
    same("the key by get_key", got, want)
    same("the key by whoami", comparable(un.keys.whoami(key=created.key).data), want)
    decrypted = {**want, "plaintext": created.key}
    same("the key decrypted", comparable(un.keys.get_key(key_id=created.key_id, decrypt=True).data), decrypted)
    listed = un.apis.list_keys(
        api_id=api_id, external_id=request["external_id"], decrypt=True, revalidate_keys_cache=True
    )
    same("the key decrypted by list_keys", [comparable(key) for key in listed.result.data], [decrypted])

    _verified(un, created.key, want)
    _bare_key(un, api_id)
    _reroll(un, request)
    _delete(un, api_id)


def _verified(un, key, want):
    """Verify the key, which costs one credit and one call of its limit."""
    got = comparable(un.keys.verify_key(key=key, tags=["path=/compat", "sdk=python"]).data)
    (checked,) = got.pop("ratelimits")
    _confined(got.pop("keyspaceId", None))
    want = {k: v for k, v in want.items() if k not in ("start", "createdAt", "ratelimits")}
    same("the key by verify_key", got, {**want, "valid": True, "code": "VALID", "credits": 49})
    reset = checked.pop("reset")
    same("the limit checked", checked, {**limit_response("requests", 10, True), "exceeded": False, "remaining": 9})
    holds("a limit's window ends at a multiple of its length", reset % DAY == 0 and reset > now(), reset)


def _confined(keyspace_id):
    """Check the keyspace of a verification, which only the newest client reads."""
    holds("the keyspace by verify_key", (keyspace_id or "").startswith("ks_") == NEWEST, keyspace_id)


def _bare_key(un, api_id):
    """Create a key with only its API."""
    created = new_key(un, api_id=api_id)
    got = key_of(un, created.key_id)
    want = {"keyId": created.key_id, "start": created.key[:4], "enabled": True, "createdAt": got["createdAt"]}
    same("a bare key", got, want)
    want = {"valid": True, "code": "VALID", "keyId": created.key_id, "enabled": True}
    got = plain(verify(un, created.key))
    _confined(got.pop("keyspaceId", None))
    same("a bare key verified", got, want)
    unlimited = new_key(un, api_id=api_id, credits={"remaining": None})
    same("a key created with remaining None", key_of(un, unlimited.key_id).get("credits"), None)


def _reroll(un, request):
    """Reroll keys without and with a grace period of one minute."""
    old = new_key(un, **request)
    before = key_of(un, old.key_id)
    fresh = un.keys.reroll_key(key_id=old.key_id, expiration=0).data
    after = key_of(un, fresh.key_id)
    before |= {"keyId": fresh.key_id, "start": fresh.key[: len("my_app_") + 4], "createdAt": after["createdAt"]}
    same("the rerolled key", after, before)
    same("the old key, no grace", verify(un, old.key)["code"], "EXPIRED")
    same("the new key", verify(un, fresh.key)["code"], "VALID")

    again = un.keys.reroll_key(key_id=fresh.key_id, expiration=MINUTE).data
    same("the replaced key within its grace", verify(un, fresh.key)["code"], "VALID")
    same("the key that replaces it", verify(un, again.key)["code"], "VALID")
    holds("the grace ends the replaced key", key_of(un, fresh.key_id)["expires"] <= now() + MINUTE)


def _delete(un, api_id):
    """Delete a key softly and another permanently."""
    for permanent in (False, True):
        created = new_key(un, api_id=api_id)
        request = {"key_id": created.key_id, "permanent": permanent}
        same("the response to a deletion", plain(un.keys.delete_key(**request).data), {})
        same("a deleted key", verify(un, created.key), {"valid": False, "code": "NOT_FOUND"})
        expect_error("get_key of a deleted key", error_of(un.keys.get_key, key_id=created.key_id), NOT_FOUND)
        expect_error("whoami of a deleted key", error_of(un.keys.whoami, key=created.key), NOT_FOUND)
        expect_error("a second deletion", error_of(un.keys.delete_key, **request), NOT_FOUND)
