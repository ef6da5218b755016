"""Runs every sample of the guide to unkey_py with unkey.py 0.10.0, which is imported under this name.

    guide.py PAGE

BASE_URL and ROOT_KEY are set by compat/run. The page mixes both versions of the API and
fits no release of the package: it has the import, bearer_auth and request={…} of 0.10.0,
and the names of methods and results of later ones. So most samples have these changes.
"""

import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

from proxy import unkey_hosts
from samples import between, changed, run
from tally import same, summary

BASE, ROOT = os.environ["BASE_URL"], os.environ["ROOT_KEY"]

VERIFY = [("keys.verify_key(", "keys.verify("), ("res.data", "res.v1_keys_verify_key_response")]
VERIFY_ASYNC = [("keys.verify_key_async(", "keys.verify_async("), VERIFY[1]]
CREATE = [("keys.create_key(", "keys.create(")]
CREATED = [*CREATE, ("res.data", "res.object")]
# The sample continues another one.
FLASK = [("from functools import wraps", "from flask import Flask\napp = Flask(__name__)\nfrom functools import wraps")]
FASTAPI = [("from fastapi import Depends", "from fastapi import FastAPI\napp = FastAPI()\nfrom fastapi import Depends")]
IMPORTS = "import os\nfrom unkey_py import Unkey\n"


def call(operation, **body):
    """Call an operation of Latchkey."""
    headers = {"Authorization": f"Bearer {ROOT}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{BASE}/v2/{operation}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["data"]


class Page:
    """The page, and what its placeholders stand for."""

    def __init__(self, text):
        self.text, self.api = text, call("apis.createApi", name="payments")["apiId"]
        os.environ.update(UNKEY_ROOT_KEY=ROOT, UNKEY_API_ID=self.api)

    def new(self, **request):
        """Create a key."""
        return call("keys.createKey", apiId=self.api, **request)

    def code(self, after, before, changes=(), key=None):
        """Return the sample between two lines."""
        code = changed(after, between(self.text, after, before), changes)
        code = code.replace("api_...", self.api)
        return code.replace("sk_live_...", key["key"]).replace("key_...", key["keyId"]) if key else code

    def run(self, after, before, changes=(), key=None, start=IMPORTS):
        """Run a sample that imports what others imported, and return its variables."""
        self.printed, scope = run(after, start + self.code(after, before, changes, key))
        return scope


def lines(*expected):
    return "".join(line + "\n" for line in expected)


def verification(page):
    """Run the samples that verify a key on their own."""
    page.run("Create a client with your root key:", "Never expose your root key in client-side code or commit it to version control.", start="")
    same("a client", page.printed, "")
    sample = ("Validate a user’s API key:", "Verification Response", [*VERIFY, ("        return\n", "        exit()\n")])  # no function
    key = page.new(credits={"remaining": 5})
    page.run(*sample, key, start="")
    same("a valid key", page.printed, lines("Key is valid!", f"Key ID: {key['keyId']}", "Remaining credits: 4"))
    changes = [("keys.create_key_async(", "keys.create_async("), ("new_key_res.data", "new_key_res.object"), *VERIFY_ASYNC]
    page.run("All methods have async variants:", "Async FastAPI", changes, key, start="")
    same("async methods", page.printed.startswith(lines("Key is valid!", f"Key ID: {key['keyId']}") + "Created: "), True)


def keys(page):
    """Run the samples that create, change and delete keys."""
    page.run("Issue new keys for your users:", "The full API key is only returned once at creation. Unkey stores only a cryptographic hash.", CREATED, start="")
    made = dict(line.split(": ") for line in page.printed.splitlines())
    got = call("keys.getKey", keyId=made["Key ID"])
    same("the created key", (got["name"], got["identity"]["externalId"], got["meta"]["plan"]), ("Production key", "user_123", "pro"))
    same("its credits", got["credits"], {"remaining": 1000, "refill": {"interval": "monthly", "amount": 1000, "refillDay": 1}})
    same("its start", made["New key"].startswith(got["start"]), True)
    call("permissions.createRole", name="admin")
    res = page.run("Create Key with Permissions", "Update Keys", CREATE)["res"].object
    got = call("keys.getKey", keyId=res.key_id)
    same("its permissions", (sorted(got["permissions"]), got["roles"]), (["documents.read", "documents.write"], ["admin"]))
    key = page.new()
    page.run("Modify an existing key:", "Delete Keys", [("keys.update_key(", "keys.update(")], key)
    got = call("keys.getKey", keyId=key["keyId"])
    same("the updated key", (got["name"], got["meta"]), ("Updated name", {"plan": "enterprise"}))
    page.run("Or disable temporarily:", "Rate Limiting", [("keys.update_key(", "keys.update(")], key)
    same("the disabled key", call("keys.verifyKey", key=key["key"])["code"], "DISABLED")
    page.run("Permanently revoke a key:", "Or disable temporarily:", [("keys.delete_key(", "keys.delete(")], key)
    same("the deleted key", call("keys.verifyKey", key=key["key"])["code"], "NOT_FOUND")
    page.run("Handle errors gracefully:", "Advanced Usage", CREATED, start="")
    same("no error", page.printed.startswith("Created: "), True)
    os.environ["UNKEY_ROOT_KEY"] = "unknown"
    page.run("Handle errors gracefully:", "Advanced Usage", CREATED, start="")
    same("an error", page.printed.startswith("API Error: "), True)
    os.environ["UNKEY_ROOT_KEY"] = ROOT


def others(page):
    """Run the samples about limits, APIs and identities."""
    limit = [("res.data", "res.object")]
    page.run("Use the rate limit API directly:", "Cost-Based Rate Limiting", limit)
    same("a limit", page.printed, lines("Allowed. 99 requests remaining"))
    res = page.run("Cost-Based Rate Limiting", "Async Support")["res"].object
    same("a limit with a cost", (res.success, res.remaining), (True, 89))
    apis = [("apis.create_api(", "apis.create("), ("apis.get_api(request={\"api_id\": \"api_...\"})", "apis.get(api_id=\"api_...\")")]
    scope = page.run("Managing APIs", "Identity Management", [*apis, ("res.data", "res.object")])
    same("an API", scope["api"].object.id, page.api)
    same("its keys", len(scope["keys"].object.keys) > 0, True)
    key = page.new(externalId="user_123")
    changes = [*CREATE, VERIFY[0], ("verify_res.data", "verify_res.v1_keys_verify_key_response")]
    page.run("Identity Management", "Complete Example: API Service", changes, key)
    same("an identity", "external_id='user_123'" in page.printed, True)


def guarded(what, page, get):
    """Check a route that needs a key. get returns the status and the body."""
    key = page.new(externalId="user_123", meta={"plan": "pro"})
    status, body = get(key["key"])
    same(f"{what}: a valid key", (status, body.get("key_id")), (200, key["keyId"]))
    status, body = get("sk_unknown")
    same(f"{what}: an unknown key", (status, "NOT_FOUND" in json.dumps(body)), (401, True))
    same(f"{what}: no key", get(None)[0] in (401, 422), True)


def frameworks(page):
    """Run the samples for FastAPI, Flask and Django."""
    from fastapi.testclient import TestClient

    def fastapi(scope, path="/api/protected"):
        client = TestClient(scope["app"])

        def get(key):
            response = client.get(path, headers={"X-API-Key": key} if key else {})
            return response.status_code, response.json()

        return get

    guarded("FastAPI", page, fastapi(page.run("Protect your FastAPI endpoints:", "FastAPI Dependency", VERIFY, start="")))
    guarded("a dependency of FastAPI", page, fastapi(page.run("Create reusable authentication:", "Flask", [*VERIFY, *FASTAPI], start="")))
    guarded("async FastAPI", page, fastapi(page.run("Async FastAPI", "Error Handling", VERIFY_ASYNC, start="")))
    scope = page.run("Complete Example: API Service", "GitHub Repository", [*CREATE, ("res.data.key", "res.object.key"), *VERIFY], start="")
    service(page, scope, fastapi(scope, "/api/data"), TestClient)

    def flask(scope):
        client = scope["app"].test_client()

        def get(key):
            response = client.get("/api/protected", headers={"X-API-Key": key} if key else {})
            return response.status_code, response.json

        return get

    guarded("Flask", page, flask(page.run("Integrate with Flask applications:", "Flask Decorator", VERIFY, start="")))
    guarded("a decorator for Flask", page, flask(page.run("Flask Decorator", "Django", [*VERIFY, *FLASK], start="")))
    django(page)


def service(page, scope, get, client):
    """Check the complete example."""
    guarded("the complete example", page, get)
    key = page.new(credits={"remaining": 2})
    same("credits left", get(key["key"])[1]["remaining_credits"], 1)
    same("the last credit", get(key["key"])[0], 402)
    made = client(scope["app"]).post("/api/provision?user_id=user_7").json()
    same("a provisioned key", get(made["key"])[1]["remaining_credits"], 999)


def django(page):
    """Run the samples for Django, which are files of an application."""
    folder = tempfile.mkdtemp()
    app = Path(folder, "myapp/middleware")
    app.mkdir(parents=True)
    middleware = [("res.data", VERIFY[1][1]), VERIFY[0]]
    app.joinpath("unkey_auth.py").write_text(page.code("Create custom middleware for Django:", "Add to settings.py:", middleware))
    Path(folder, "settings.py").write_text(
        page.code("Add to settings.py:", "Use in views:") + "\nROOT_URLCONF = 'views'\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\n"
    )
    views = page.code("Use in views:", "Create API Keys")
    Path(folder, "views.py").write_text(views + "\nfrom django.urls import path\nurlpatterns = [path('api/protected', protected_view)]\n")
    sys.path.insert(0, folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    import django
    from django.test import Client

    django.setup()

    def get(key):
        response = Client().get("/api/protected", headers={"X-API-Key": key} if key else {})
        return response.status_code, response.json()

    guarded("Django", page, get)


with tempfile.TemporaryDirectory() as certificates, unkey_hosts(certificates):
    the_page = Page(Path(sys.argv[1]).read_text())
    for part in (verification, keys, others, frameworks):
        part(the_page)
sys.exit(summary())
