"""keys.updateKey and keys.updateCredits."""

from .client import key_of, limit, limit_response, new_api, new_key, new_role, verify
from .errors import BAD_REQUEST, expect_error
from .server import now, unique
from .tally import error_of, holds, same


class _Key:
    """A key that is updated step by step, and its expected record."""

    def __init__(self, un, **request):
        self.un = un
        created = new_key(un, **request)
        self.id, self.secret = created.key_id, created.key
        self.want = key_of(un, self.id)

    def update(self, what, change, record=None):
        """Send a change and check that nothing else changed.

        If the record differs from the request, it is the second argument. None is an
        absent member.
        """
        self.un.keys.update_key(key_id=self.id, **change)
        self.want |= change if record is None else record
        self.want = {k: v for k, v in self.want.items() if v is not None}
        got = key_of(self.un, self.id)
        self.want["updatedAt"] = got.get("updatedAt")
        if "identity" in self.want:
            self.want["identity"]["id"] = got.get("identity", {}).get("id")
        same(what, got, self.want)


def updates(un):
    """Change each property of a key alone, and clear those that None clears."""
    key = _Key(un, api_id=new_api(un), name="before")
    key.update("nothing", {})
    holds("the moment of the update", key.want["updatedAt"] >= key.want["createdAt"], key.want)
    _values(key)
    _credits_of(key)
    _lists(key)
    key.update("disabled", {"enabled": False})
    same("a disabled key verified", verify(un, key.secret)["code"], "DISABLED")
    key.update("enabled", {"enabled": True})
    same("an enabled key verified", verify(un, key.secret)["code"], "VALID")


def _values(key):
    owner = unique("owner")
    key.update("name", {"name": "after"})
    key.update("name None", {"name": None})
    key.update("meta", {"meta": {"plan": "free"}})
    key.update("meta None", {"meta": None})
    key.update("expires", {"expires": now() + 3_600_000})
    key.update("expires None", {"expires": None})
    key.update("external_id", {"external_id": owner}, {"identity": {"externalId": owner}})
    key.update("external_id None", {"external_id": None}, {"identity": None})


def _credits_of(key):
    daily = {"interval": "daily", "amount": 30}
    monthly = {"interval": "monthly", "amount": 9}

    def update(what, change, record):
        key.update(what, {"credits": change}, {"credits": record})

    update("credits", {"remaining": 20, "refill": daily}, {"remaining": 20, "refill": daily})
    update("the balance alone", {"remaining": 8}, {"remaining": 8, "refill": daily})
    stored = {"remaining": 8, "refill": {**monthly, "refillDay": 31}}
    update("the refill alone", {"refill": {**monthly, "refill_day": 31}}, stored)
    update("refill None", {"refill": None}, {"remaining": 8})
    update("remaining None", {"remaining": None}, None)
    update("credits again", {"remaining": 3}, {"remaining": 3})
    update("credits None", None, None)


def _lists(key):
    key.update("ratelimits", {"ratelimits": [limit("requests", 5, False)]}, {"ratelimits": [limit_response("requests", 5, False)]})
    key.update("ratelimits emptied", {"ratelimits": []}, {"ratelimits": None})
    key.update("permissions", {"permissions": sorted([unique("docs.read"), unique("docs.write")])})
    key.update("permissions emptied", {"permissions": []}, {"permissions": None})
    key.update("roles", {"roles": [new_role(key.un)]})
    key.update("roles emptied", {"roles": []}, {"roles": None})


def credits(un):
    """Change the balance of a key in every way."""
    refill = {"interval": "monthly", "amount": 100, "refillDay": 15}
    request = {"interval": "monthly", "amount": 100, "refill_day": 15}
    created = new_key(un, api_id=new_api(un), credits={"remaining": 50, "refill": request})

    def change(want, **request):
        got = un.keys.update_credits(key_id=created.key_id, **request)
        same(f"{request}, response", got.data, want)
        stored = None if want["remaining"] is None else want
        same(f"{request}, stored", key_of(un, created.key_id).get("credits"), stored)

    change({"remaining": 10, "refill": refill}, operation="set", value=10)
    change({"remaining": 15, "refill": refill}, operation="increment", value=5)
    change({"remaining": 11, "refill": refill}, operation="decrement", value=4)
    change({"remaining": 0, "refill": refill}, operation="decrement", value=100)
    same("a key without credits verified", verify(un, created.key)["code"], "USAGE_EXCEEDED")
    change({"remaining": None}, operation="set", value=None)
    change({"remaining": 2}, operation="set", value=2)
    change({"remaining": None}, operation="set")
    same("a key without a limit verified", verify(un, created.key).get("credits"), None)
    error = error_of(un.keys.update_credits, key_id=created.key_id, operation="increment", value=1)
    expect_error("an increment of no limit", error, BAD_REQUEST)
