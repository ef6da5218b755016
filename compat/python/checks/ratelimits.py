"""ratelimit.*"""

from .server import DAY, now, unique
from .tally import error_of, holds, plain, same


def three_a_day(namespace, identifier, cost=1):
    """Return a request against a limit of 3 per day."""
    return {"namespace": namespace, "identifier": identifier, "limit": 3, "duration": DAY, "cost": cost}


def count(un, *request):
    """Call ratelimit.limit."""
    return plain(un.ratelimit.limit(**three_a_day(*request)).data)


def ratelimits(un):
    """Call limit and multi_limit."""
    namespace = unique("email.send")
    _single(un, namespace)
    _several(un, namespace)


def _single(un, namespace):
    first = count(un, namespace, "user_1", 2)
    reset = first["reset"]
    holds("the window ends at a multiple of its length", reset % DAY == 0 and reset > now(), reset)

    def want(success, remaining):
        return {"success": success, "limit": 3, "remaining": remaining, "reset": reset}

    same("a first request of cost 2", first, want(True, 1))
    same("a second request of cost 2", count(un, namespace, "user_1", 2), want(False, 0))
    same("a denied request does not consume", count(un, namespace, "user_1", 1), want(True, 0))
    same("a request of cost 0", count(un, namespace, "user_1", 0), want(True, 0))
    same("another identifier", count(un, namespace, "user_2"), want(True, 2))


def _several(un, namespace):
    def ask(*limits):
        response = plain(un.ratelimit.multi_limit(request=list(limits)).data)
        for item in response["limits"]:
            del item["reset"]
        return response

    def check(identifier, passed, remaining):
        return {"namespace": namespace, "identifier": identifier, "limit": 3, "passed": passed, "remaining": remaining}

    got = ask(three_a_day(namespace, "m1"), three_a_day(namespace, "m2", 3))
    same("several limits that all pass", got, {"passed": True, "limits": [check("m1", True, 2), check("m2", True, 0)]})
    got = ask(three_a_day(namespace, "m1"), three_a_day(namespace, "m2"))
    same("several limits, one denies", got, {"passed": False, "limits": [check("m1", True, 2), check("m2", False, 0)]})
    same("nothing was consumed", count(un, namespace, "m1", 0)["remaining"], 2)


def overrides(un):
    """Set, read, list and delete overrides, and call limits with overrides."""
    namespace = unique("email.send")
    count(un, namespace, "user_1")

    def set_to(identifier, limit):
        request = {"namespace": namespace, "identifier": identifier, "limit": limit, "duration": DAY}
        return un.ratelimit.set_override(**request).data.override_id

    def get(identifier):
        return un.ratelimit.get_override(namespace=namespace, identifier=identifier).data

    one = {"overrideId": set_to("user_1", 10), "identifier": "user_1", "limit": 10, "duration": DAY}
    team = {"overrideId": set_to("team_*", 20), "identifier": "team_*", "limit": 20, "duration": DAY}
    same("an override", get("user_1"), one)
    same("an override by a name its pattern matches", get("team_blue"), team)
    got = count(un, namespace, "user_1")
    want = {"success": True, "limit": 10, "remaining": 8, "reset": got["reset"], "overrideId": one["overrideId"]}
    same("a limit under an override", got, want)
    several = un.ratelimit.multi_limit(request=[three_a_day(namespace, "team_blue")]).data
    same("several limits under an override", several.limits[0].override_id, team["overrideId"])
    same("setting an override again keeps its id", set_to("user_1", 0), one["overrideId"])
    same("an override of 0 blocks", count(un, namespace, "user_1")["success"], False)
    listed = plain(un.ratelimit.list_overrides(namespace=namespace).result.data)
    same("the overrides listed", sorted(listed, key=lambda o: o["limit"]), [{**one, "limit": 0}, team])

    _delete_override(un, namespace, get)


def _delete_override(un, namespace, get):
    def status(call, *args, **request):
        return getattr(error_of(call, *args, **request), "status_code", None)

    remove = un.ratelimit.delete_override
    same("delete_override by a name the pattern matches", status(remove, namespace=namespace, identifier="team_blue"), 404)
    same("the response to a deletion", remove(namespace=namespace, identifier="team_*").data, {})
    same("get_override of a deleted override", status(get, "team_blue"), 404)
    same("a limit without its override", count(un, namespace, "team_blue", 0).get("overrideId"), None)
