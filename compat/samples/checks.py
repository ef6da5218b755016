"""What the samples are held to."""

import json
import re
import time
from dataclasses import dataclass
from itertools import zip_longest

from pages import prints, promised
from programs import Latchkey, request

HOUR = 3_600_000  # milliseconds

# The status for each code of a refusal: on the pages, and in the README, whose
# samples are shorter.
PAGES = {"NOT_FOUND": 401, "DISABLED": 401, "EXPIRED": 401, "USAGE_EXCEEDED": 402, "INSUFFICIENT_PERMISSIONS": 403, "RATE_LIMITED": 429}
README = dict.fromkeys(PAGES, 401)


class Tally:
    """Counts checks and prints a line for each."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, what, passed, details=""):
        if passed:
            self.passed += 1
        else:
            self.failed += 1
        print(f"ok    {what}" if passed else f"FAIL  {what}: {details}", flush=True)


def printed(tally, name, text, output):
    """Checks that a program prints what its comments say. In a comment … stands for any text."""
    wants = promised(text)
    tally.check(f"{name}: says what it prints", wants and len(wants) == prints(text), f"{len(wants)} of {prints(text)} lines that print do")
    for want, line in zip_longest(wants, output.splitlines(), fillvalue=""):
        pattern = ".+".join(map(re.escape, want.split("…")))
        tally.check(f"{name}: prints {want}", re.fullmatch(pattern, line), f"got {line!r}")


def issue_keys(latchkey, api):
    """Makes one key of each kind and returns them by kind."""
    read = {"permissions": ["documents.read"], "externalId": "user_1"}
    kinds = {
        "good": {**read, "credits": {"remaining": 100}},
        "nobody's": {"permissions": ["documents.read"]},
        "spent": {**read, "credits": {"remaining": 0}},
        "disabled": {**read, "enabled": False},
        "expired": {**read, "expires": 1},
        "powerless": {"externalId": "user_1"},
        "limited": {**read, "ratelimits": [{"name": "requests", "limit": 1, "duration": HOUR, "autoApply": True}]},
        "issuer": {"permissions": ["keys.issue"]},
    }
    return {kind: latchkey.call("keys.createKey", apiId=api, **about) for kind, about in kinds.items()}


@dataclass
class Visit:
    """A service under way, the Latchkey it asks, and keys to call it with."""

    tally: Tally
    name: str
    url: str
    latchkey: Latchkey
    keys: dict

    def answers(self, what, status, path, authorization=None, text="", method="GET"):
        """Checks the answer to a request, and returns its headers and body."""
        got, headers, body = request(method, self.url + path, authorization)
        self.tally.check(f"{self.name}: {what}: {status}", got == status and text in body, f"got {got} {body!r}")
        return headers, body

    def bearer(self, kind):
        return "Bearer " + self.keys[kind]["key"]


def guards(visit, path="/documents", statuses=PAGES, text="user_1"):
    """Checks that only good keys may call a path, and that its answer to them contains a text."""

    def refuses(what, authorization, code):
        headers, _ = visit.answers(what, statuses[code], path, authorization, text=code)
        if statuses[code] == 429:
            waits_an_hour_at_most(visit, what, headers)

    visit.answers("a key that works", 200, path, visit.bearer("good"), text=text)
    visit.answers("a key of nobody", 200, path, visit.bearer("nobody's"))
    refuses("a key that was never made", "Bearer sk_unknown", "NOT_FOUND")
    refuses("a disabled key", visit.bearer("disabled"), "DISABLED")
    refuses("an expired key", visit.bearer("expired"), "EXPIRED")
    refuses("a key out of credits", visit.bearer("spent"), "USAGE_EXCEEDED")
    refuses("a key without the permission", visit.bearer("powerless"), "INSUFFICIENT_PERMISSIONS")
    visit.answers("a key within its limit", 200, path, visit.bearer("limited"), text=text)
    refuses("a key over its limit", visit.bearer("limited"), "RATE_LIMITED")
    visit.answers("no key", 401, path)
    visit.answers("an empty key", 401, path, "Bearer ")
    visit.answers("a password", 401, path, "Basic dXNlcjpwYXNz")
    visit.latchkey.call("keys.deleteKey", keyId=visit.keys["good"]["keyId"])
    refuses("a key deleted a moment ago", visit.bearer("good"), "NOT_FOUND")


def guards_readme(visit):
    guards(visit, statuses=README, text="documents")


def guards_more(visit, path="/documents"):
    """Checks what the pages' guard does beyond the README's samples."""
    guards(visit, path)
    visit.answers("a key too long to be one", 401, path, "Bearer " + "x" * 513)
    _, headers, _ = request("GET", visit.url + path)
    scheme = headers.get("WWW-Authenticate")
    visit.tally.check(f"{visit.name}: no key: WWW-Authenticate", scheme == "Bearer", scheme)
    with visit.latchkey.paused():
        began = time.monotonic()
        visit.answers("Latchkey hangs, a key that works", 503, path, visit.bearer("nobody's"))
        took = time.monotonic() - began
        visit.tally.check(f"{visit.name}: Latchkey hangs: answers all the same", took < 5, f"after {took:.1f} s")


def guards_stopped(visit, path="/documents"):
    """Checks that nobody gets in while Latchkey is stopped."""
    visit.answers("Latchkey stopped, a key that worked", 503, path, visit.bearer("nobody's"))
    visit.answers("Latchkey stopped, no key", 401, path)


def issues_keys(visit):
    """Checks the path that hands out keys: to whom, and that they work."""
    visit.answers("a key that may not issue keys", 403, "/keys?user=user_2", visit.bearer("powerless"), method="POST")
    _, body = visit.answers("a key that may", 201, "/keys?user=user_2", visit.bearer("issuer"), method="POST")
    visit.answers("a user nobody can be", 422, "/keys?user=%20", visit.bearer("issuer"), method="POST")
    visit.answers("the key it issued", 200, "/documents", "Bearer " + json.loads(body).get("key", ""), text="user_2")


def has_open_path(visit):
    visit.answers("a public path, no key", 200, "/health/")
    visit.answers("a public path, Latchkey not asked", 200, "/health/", "Bearer sk_unknown")


def limits(visit):
    """Checks a path that allows each user five attempts an hour."""
    for left in range(4, -1, -1):
        visit.answers(f"an attempt, {left} left", 200, "/sign-in/user_1", text=f"{left} attempts left", method="POST")
    headers, _ = visit.answers("one more", 429, "/sign-in/user_1", method="POST")
    waits_an_hour_at_most(visit, "one more", headers)
    visit.answers("somebody else", 200, "/sign-in/user_2", method="POST")


def limits_stopped(visit):
    visit.answers("Latchkey stopped", 503, "/sign-in/user_3", method="POST")


def waits_an_hour_at_most(visit, what, headers):
    wait = headers.get("Retry-After", "")
    visit.tally.check(f"{visit.name}: {what}: Retry-After", wait.isdigit() and 1 <= int(wait) <= 3600, repr(wait))
