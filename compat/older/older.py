"""Exercises unkey.py 2.6.0, an older client of version 2.

BASE_URL and ROOT_KEY are set by compat/run.
"""

import os
import sys

from unkey.py import Unkey, errors

from tally import Recorder, same, summary, tried

methods = set()

with Unkey(root_key=os.environ["ROOT_KEY"], server_url=os.environ["BASE_URL"]) as sdk:
    un = Recorder(sdk, methods)
    api = un.apis.create_api(name="payments").data.api_id
    same("get_api", un.apis.get_api(api_id=api).data.name, "payments")
    limit = {"name": "calls", "limit": 3, "duration": 60_000, "auto_apply": True}
    made = un.keys.create_key(api_id=api, external_id="user", credits={"remaining": 5}, permissions=["a.b"], ratelimits=[limit]).data
    seen = un.keys.verify_key(key=made.key, permissions="a.b").data
    same("verify_key", (seen.valid, seen.code.value, seen.credits, seen.identity.external_id), (True, "VALID", 4, "user"))
    un.keys.update_key(key_id=made.key_id, name=None, enabled=False)
    same("update_key", un.keys.verify_key(key=made.key).data.code.value, "DISABLED")
    same("get_key", len(un.keys.get_key(key_id=made.key_id).data.ratelimits), 1)
    same("update_credits", un.keys.update_credits(key_id=made.key_id, operation="set", value=9).data.remaining, 9)
    rerolled = un.keys.reroll_key(key_id=made.key_id, expiration=0).data
    same("whoami", un.keys.whoami(key=rerolled.key).data.key_id, rerolled.key_id)
    role = un.permissions.create_role(name=f"role_{api}").data.role_id
    same("get_role", un.permissions.get_role(role=role).data.id, role)
    same("add_roles", [r.id for r in un.keys.add_roles(key_id=rerolled.key_id, roles=[f"role_{api}"]).data], [role])
    identity = un.identities.create_identity(external_id=f"user_{api}").data.identity_id
    same("get_identity", un.identities.get_identity(identity=identity).data.id, identity)
    limited = un.ratelimit.limit(namespace="older", identifier=api, limit=2, duration=60_000).data
    same("limit", (limited.success, limited.remaining), (True, 1))
    try:
        un.keys.get_key(key_id="key_unknown")
        same("an unknown key", None, "NotFoundErrorResponse")
    except errors.NotFoundErrorResponse as error:
        same("an unknown key", error.data.error.status, 404)
    un.keys.delete_key(key_id=made.key_id)
    un.permissions.delete_role(role=role)
    un.identities.delete_identity(identity=identity)
    un.apis.delete_api(api_id=api)

tried("`unkey.py`", "2.6.0", methods)
sys.exit(summary())
