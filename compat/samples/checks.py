"""The checks that the samples must pass."""

import json
import re
import os
import subprocess
import time
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from pages import expected, prints, shown
from programs import TIMEOUT, Latchkey, request

HOUR = 3_600_000  # milliseconds

# The status of each denial code: on the pages, and in the README, whose samples are
# shorter.
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
    """Checks that a program prints what its comments say. In a comment, … matches any text."""
    wants = expected(text)
    tally.check(f"{name}: has its output in comments", wants and len(wants) == prints(text), f"{len(wants)} of {prints(text)} print statements do")
    for want, line in zip_longest(wants, output.splitlines(), fillvalue=""):
        pattern = ".+".join(map(re.escape, want.split("…")))
        tally.check(f"{name}: prints {want}", re.fullmatch(pattern, line), f"got {line!r}")


def shows(tally, name, text, output):
    """Checks that a shell script prints what its comments say, in their order, among other things."""
    wants, at = shown(text), 0
    tally.check(f"{name}: has its output in comments", wants, "no command has a comment")
    for want in wants:
        found = output.find(want, at)
        tally.check(f"{name}: prints {want}", found >= 0, f"after {output[at:at + 300]!r}")
        at = max(at, found)


def calls(tally, name, text, output):
    """Checks that a program called every function of its page and printed their names."""
    tally.check(f"{name}: every function is called", output.split() == re.findall(r"^func (\w+)", text, re.MULTILINE), f"called: {output!r}")


def issue_keys(latchkey, api):
    """Creates one key of each kind and returns them by kind."""
    read = {"permissions": ["documents.read"], "externalId": "user_1"}
    kinds = {
        "good": {**read, "credits": {"remaining": 100}},
        "ownerless": {"permissions": ["documents.read"]},
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
    """A running service, the Latchkey it calls, and keys to call it with."""

    tally: Tally
    name: str
    url: str
    latchkey: Latchkey
    keys: dict
    work: Path  # the folder of the samples

    def responds(self, what, status, path, authorization=None, text="", method="GET"):
        """Checks the response to a request, and returns its headers and body."""
        got, headers, body = request(method, self.url + path, authorization)
        self.tally.check(f"{self.name}: {what}: {status}", got == status and text in body, f"got {got} {body!r}")
        return headers, body

    def bearer(self, kind):
        return "Bearer " + self.keys[kind]["key"]


def guards(visit, path="/documents", statuses=PAGES, text="user_1"):
    """Checks that a path allows only valid keys, and that its response to them contains text."""

    def denies(what, authorization, code):
        headers, _ = visit.responds(what, statuses[code], path, authorization, text=code)
        if statuses[code] == 429:
            check_retry_after(visit, what, headers)

    visit.responds("a valid key", 200, path, visit.bearer("good"), text=text)
    visit.responds("a key without an owner", 200, path, visit.bearer("ownerless"))
    denies("an unknown key", "Bearer sk_unknown", "NOT_FOUND")
    denies("a disabled key", visit.bearer("disabled"), "DISABLED")
    denies("an expired key", visit.bearer("expired"), "EXPIRED")
    denies("a key out of credits", visit.bearer("spent"), "USAGE_EXCEEDED")
    denies("a key without the permission", visit.bearer("powerless"), "INSUFFICIENT_PERMISSIONS")
    visit.responds("a key within its limit", 200, path, visit.bearer("limited"), text=text)
    denies("a key over its limit", visit.bearer("limited"), "RATE_LIMITED")
    visit.responds("no key", 401, path)
    visit.responds("an empty key", 401, path, "Bearer ")
    visit.responds("a password", 401, path, "Basic dXNlcjpwYXNz")
    visit.latchkey.call("keys.deleteKey", keyId=visit.keys["good"]["keyId"])
    denies("a deleted key", visit.bearer("good"), "NOT_FOUND")


def guards_readme(visit):
    guards(visit, statuses=README, text="documents")


def guards_more(visit, path="/documents"):
    """Checks what the guard of the pages does beyond the samples of the README."""
    guards(visit, path)
    visit.responds("an overlong key", 401, path, "Bearer " + "x" * 513)
    _, headers, _ = request("GET", visit.url + path)
    scheme = headers.get("WWW-Authenticate")
    visit.tally.check(f"{visit.name}: no key: WWW-Authenticate", scheme == "Bearer", scheme)
    with visit.latchkey.paused():
        began = time.monotonic()
        visit.responds("Latchkey hangs, a valid key", 503, path, visit.bearer("ownerless"))
        took = time.monotonic() - began
        visit.tally.check(f"{visit.name}: Latchkey hangs: responds in time", took < 5, f"after {took:.1f} s")


def guards_stopped(visit, path="/documents"):
    """Checks that every request is denied while Latchkey is stopped."""
    visit.responds("Latchkey stopped, a valid key", 503, path, visit.bearer("ownerless"))
    visit.responds("Latchkey stopped, no key", 401, path)


def issues_keys(visit):
    """Checks the path that creates keys: who can call it, and that the keys work."""
    visit.responds("a key that cannot issue keys", 403, "/keys?user=user_2", visit.bearer("powerless"), method="POST")
    _, body = visit.responds("a key that can issue keys", 201, "/keys?user=user_2", visit.bearer("issuer"), method="POST")
    visit.responds("an invalid user", 422, "/keys?user=%20", visit.bearer("issuer"), method="POST")
    visit.responds("the issued key", 200, "/documents", "Bearer " + json.loads(body).get("key", ""), text="user_2")


def has_open_path(visit):
    visit.responds("a public path, no key", 200, "/health/")
    visit.responds("a public path, an unknown key", 200, "/health/", "Bearer sk_unknown")


def limits(visit):
    """Checks a path that allows each user five attempts an hour."""
    for left in range(4, -1, -1):
        visit.responds(f"an attempt, {left} left", 200, "/sign-in/user_1", text=f"{left} attempts left", method="POST")
    headers, _ = visit.responds("one more", 429, "/sign-in/user_1", method="POST")
    check_retry_after(visit, "one more", headers)
    visit.responds("another user", 200, "/sign-in/user_2", method="POST")


def limits_stopped(visit):
    visit.responds("Latchkey stopped", 503, "/sign-in/user_3", method="POST")


MCP_RESOURCE = "https://mcp.example.com/mcp"
WELL_KNOWN = "/.well-known/oauth-protected-resource/mcp"


def mcp(visit):
    """Checks an MCP server behind a gate: with the client of the page, and who else can reach it."""

    def client(key):
        env = {**os.environ, "MCP_URL": visit.url + "/mcp", "LATCHKEY_KEY": key}
        return subprocess.run(["node", "built/mcp_client.js"], cwd=visit.work, env=env, capture_output=True, text=True, timeout=TIMEOUT)

    done = client(visit.keys["good"]["key"])
    visit.tally.check("mcp_client.ts: runs", done.returncode == 0, done.stderr)
    printed(visit.tally, "mcp_client.ts", Path(visit.work, "mcp_client.ts").read_text(), done.stdout)
    done = client("sk_unknown")
    visit.tally.check("mcp_client.ts: an unknown key", done.returncode != 0 and "not valid" in done.stderr, done.stderr)
    announced = f'resource_metadata="https://mcp.example.com{WELL_KNOWN}"'
    for what, status, authorization in [
        ("no key", 401, None),
        ("an unknown key", 401, "Bearer sk_unknown"),
        ("a disabled key", 401, visit.bearer("disabled")),
        ("a key out of credits", 402, visit.bearer("spent")),
        ("a key within its limit", 405, visit.bearer("limited")),
        ("a key over its limit", 429, visit.bearer("limited")),
    ]:
        headers, _ = visit.responds(what, status, "/mcp", authorization)
        if status == 401:
            scheme = headers.get("WWW-Authenticate", "")
            visit.tally.check(f"{visit.name}: {what}: WWW-Authenticate", announced in scheme, scheme)
        if status == 429:
            check_retry_after(visit, what, headers)
    visit.responds("the metadata", 200, WELL_KNOWN, text=f'"resource":"{MCP_RESOURCE}"')


def mcp_stopped(visit):
    visit.responds("Latchkey stopped, a valid key", 503, "/mcp", visit.bearer("ownerless"))


def receives(visit):
    """Checks that a receiver takes the events that Latchkey has signed, and nothing else."""
    visit.responds("without a signature", 401, "/hooks", method="POST")
    hook = visit.latchkey.call("webhooks.listWebhooks")[0]["id"]

    def waiting():
        deliveries = visit.latchkey.call("webhooks.listDeliveries", webhookId=hook)
        return not deliveries or any(d["status"] == "waiting" for d in deliveries)

    deadline = time.monotonic() + TIMEOUT
    while waiting() and time.monotonic() < deadline:
        time.sleep(0.1)
    deliveries = visit.latchkey.call("webhooks.listDeliveries", webhookId=hook)
    failed = [d for d in deliveries if d["status"] != "delivered"]
    visit.tally.check(f"{visit.name}: takes every event", deliveries and not failed, f"{deliveries}")
    log = Path(visit.work, "service.log").read_text()
    key = visit.keys["good"]["keyId"]
    visit.tally.check(f"{visit.name}: knows the event", f"key.created {key}" in log, log)


def receives_stopped(visit):
    visit.responds("Latchkey stopped, without a signature", 401, "/hooks", method="POST")


def check_retry_after(visit, what, headers):
    wait = headers.get("Retry-After", "")
    visit.tally.check(f"{visit.name}: {what}: Retry-After", wait.isdigit() and 1 <= int(wait) <= 3600, repr(wait))
