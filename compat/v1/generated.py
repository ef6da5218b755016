"""Exercises unkey.py 0.10.0, imported as unkey_py, through all methods of its services.

BASE_URL, ROOT_KEY and LATCHKEY are set by compat/run.
"""

import os
import subprocess
import sys

from unkey_py import Unkey, models

from tally import same, summary, tried

BASE, ROOT = os.environ["BASE_URL"], os.environ["ROOT_KEY"]
# Version 1 refuses analytics: both must fail with the client's own class.
WITHOUT_EVENTS = {"keys.get_verifications", "analytics.get_verifications"}
succeeded = set()


class Service:
    """A service whose calls are recorded when they succeed."""

    def __init__(self, client, name):
        self.service, self.name = getattr(client, name), name

    def __getattr__(self, method):
        def call(**arguments):
            response = getattr(self.service, method)(**arguments)
            succeeded.add(f"{self.name}.{method}")
            fields = [v for k, v in vars(response).items() if k not in ("http_meta", "next", "headers") and v is not None]
            return fields[0] if fields else response

        return call


def error_of(call, **arguments):
    """Return the class of the exception of a call."""
    try:
        call(**arguments)
    except Exception as error:  # any class of the SDK
        return type(error).__name__
    return None


def keys(un):
    """Call the methods of apis and keys."""
    api = un["apis"].create(request={"name": "payments"}).api_id
    same("apis.get", un["apis"].get(api_id=api).name, "payments")
    created = un["keys"].create(request={
        "api_id": api, "owner_id": "user_1", "meta": {"plan": "pro"}, "remaining": 10, "name": "n",
        "refill": {"interval": "daily", "amount": 5}, "permissions": ["docs.read"],
        "ratelimit": {"type": "fast", "limit": 5, "refill_rate": 5, "refill_interval": 60_000},
    })
    key, id = created.key, created.key_id
    seen = un["keys"].verify(request={"api_id": api, "key": key, "authorization": {"permissions": "docs.read"}})
    same("keys.verify", (seen.valid, seen.code.value, seen.remaining, seen.owner_id), (True, "VALID", 9, "user_1"))
    got = un["keys"].get(key_id=id)
    same("keys.get", (got.id, got.api_id, got.owner_id, got.meta, got.ratelimit.limit), (id, api, "user_1", {"plan": "pro"}, 5))
    same("apis.list_keys", [k.id for k in un["apis"].list_keys(request={"api_id": api}).keys], [id])
    same("keys.whoami", un["keys"].whoami(request={"key": key}).id, id)
    un["keys"].update(request={"key_id": id, "name": "other", "remaining": None})
    got = un["keys"].get(key_id=id)
    same("keys.update", (got.name, got.remaining), ("other", None))
    changed = un["keys"].update_remaining(request={"key_id": id, "op": "set", "value": 3})
    same("keys.update_remaining", changed.remaining, 3)
    un["permissions"].create(request={"name": "letters.write"})
    un["permissions"].create_role(request={"name": "editor"})
    for method in ("add_permissions", "set_permissions", "remove_permissions"):
        getattr(un["keys"], method)(request={"key_id": id, "permissions": [{"name": "letters.write"}]})
    for method in ("add_roles", "set_roles", "remove_roles"):
        getattr(un["keys"], method)(request={"key_id": id, "roles": [{"name": "editor"}]})
    for service, role in (("get", "permission_id"), ("get_role", "role_id")):
        listed = un["permissions"].list() if service == "get" else un["permissions"].list_roles()
        one = getattr(un["permissions"], service)(**{role: listed[0].id})
        same(f"permissions.{service}", one.name, listed[0].name)
        getattr(un["permissions"], service.replace("get", "delete"))(request={role: listed[0].id})
    same("an unknown key", error_of(un["keys"].get, key_id="key_unknown"), "ErrNotFound")
    same("a bad request", error_of(un["apis"].create, request={"name": ""}), "ErrBadRequest")
    un["permissions"].create(request={"name": "taken.write"})
    same("a taken name", error_of(un["permissions"].create, request={"name": "taken.write"}), "ErrConflict")
    imported = un["migrations"].create_keys(request=[{"api_id": api, "plaintext": f"old_{api}"}])
    same("migrations.create_keys", len(imported.key_ids), 1)
    created = subprocess.run([os.environ["LATCHKEY"], "migrations", "create", "sha256"], check=True, capture_output=True, text=True)
    migration = created.stdout.strip().splitlines()[-1]
    un["migrations"].enqueue(request={"migration_id": migration, "api_id": api, "keys": [{"plaintext": f"new_{api}"}]})
    un["keys"].delete(request={"key_id": id})
    un["apis"].delete_keys(request={"api_id": api})
    un["apis"].delete(request={"api_id": api})


def others(un):
    """Call the methods of identities, limits and overrides."""
    un["liveness"].check()
    limits = [{"name": "calls", "limit": 1, "duration": 60_000}]
    id = un["identities"].create(request={"external_id": "v1_user", "ratelimits": limits}).identity_id
    same("identities.get", un["identities"].get(external_id="v1_user").id, id)
    un["identities"].list()
    same("identities.update", un["identities"].update(request={"identity_id": id, "meta": {"a": 1}}).meta, {"a": 1})
    un["identities"].delete(request={"identity_id": id})
    limited = un["ratelimits"].limit(request={"namespace": "v1", "identifier": "a", "limit": 5, "duration": 60_000})
    same("ratelimits.limit", (limited.success, limited.remaining), (True, 4))
    where = {"namespace_name": "v1", "identifier": "a"}
    un["ratelimit"].set_override(request={**where, "limit": 9, "duration": 60_000})
    same("ratelimit.get_override", un["ratelimit"].get_override(**where).limit, 9)
    same("ratelimit.list_overrides", len(un["ratelimit"].list_overrides(namespace_name="v1").overrides), 1)
    un["ratelimits"].delete_override(request=where)


names = ["apis", "keys", "permissions", "identities", "ratelimit", "ratelimits", "migrations", "analytics", "liveness"]
with Unkey(bearer_auth=ROOT, server_url=BASE) as client:
    services = {name: Service(client, name) for name in names}
    keys(services)
    others(services)
    public = {
        f"{name}.{method}" for name in names for method in dir(type(getattr(client, name)))
        if not method.startswith(("_", "do_request")) and not method.endswith("_async") and callable(getattr(getattr(client, name), method))
    }
    same("methods that never succeeded", public - succeeded - WITHOUT_EVENTS, set())
with Unkey(bearer_auth="unknown", server_url=BASE) as client:
    same("an unknown root key", error_of(client.apis.get, api_id="api_unknown"), "ErrUnauthorized")
tried("`unkey.py`", "0.10.0", succeeded)
sys.exit(summary())
