"""The client under test, blocking or async, and helpers of its scenarios."""

import asyncio
from importlib.metadata import version

from unkey.py import Unkey
from unkey.py.permissions import Permissions

from .server import BASE_URL, DAY, unique
from .tally import plain

# The two ways to call the client: its methods, and their _async versions.
WAYS = ("blocking", "async")

VERSION = version("unkey.py")

# Whether the client has the newest operations and arguments.
NEWEST = hasattr(Permissions, "update_role")

# The methods that succeeded.
succeeded = set()

_loop = asyncio.new_event_loop()


class Client:
    """The SDK with a root key; its groups are attributes, as in the SDK."""

    def __init__(self, root_key, way, server_url=BASE_URL, **options):
        self.way = way
        self._sdk = Unkey(server_url=server_url, root_key=root_key, **options)

    def with_key(self, root_key, **options):
        """Return a client with another root key, called the same way."""
        return Client(root_key, self.way, **options)

    def __getattr__(self, group):
        return _Group(getattr(self._sdk, group), group, self.way)


class _Group:
    def __init__(self, methods, name, way):
        self._methods, self._name, self._way = methods, name, way

    def __getattr__(self, method):
        return lambda **request: self._call(method, request)

    def _call(self, method, request):
        name = method if self._way == "blocking" else method + "_async"
        response = getattr(self._methods, name)(**request)
        if self._way == "async":
            response = _loop.run_until_complete(response)
        succeeded.add(f"{self._name}.{name}")
        return response


def limit(name, number, auto_apply):
    """Return a rate limit of a request."""
    return {"name": name, "limit": number, "duration": DAY, "auto_apply": auto_apply}


def limit_response(name, number, auto_apply):
    """Return a rate limit of a response without its id."""
    return {"name": name, "limit": number, "duration": DAY, "autoApply": auto_apply}


def new_api(un):
    """Create an API and return its id."""
    return un.apis.create_api(name=unique("api")).data.api_id


def new_role(un):
    """Create a role and return its name."""
    name = unique("role")
    un.permissions.create_role(name=name)
    return name


def new_key(un, **request):
    """Create a key."""
    return un.keys.create_key(**request).data


def verify(un, key, **request):
    """Verify a key and return the result as JSON."""
    return plain(un.keys.verify_key(key=key, **request).data)


def comparable(record):
    """Return a record with sorted lists and without the ids of its limits."""
    record = plain(record)
    for name in ("permissions", "roles"):
        if name in record:
            record[name] = sorted(record[name])
    if "ratelimits" in record:
        limits = [{k: v for k, v in item.items() if k != "id"} for item in record["ratelimits"]]
        record["ratelimits"] = sorted(limits, key=lambda item: item["name"])
    return record


def key_of(un, key_id):
    """Read a key."""
    return comparable(un.keys.get_key(key_id=key_id).data)


def identity_of(un, identity):
    """Read an identity."""
    return comparable(un.identities.get_identity(identity=identity).data)
