"""apis.*"""

from .client import new_key, verify
from .errors import NOT_FOUND, expect_error
from .server import unique
from .tally import error_of, holds, same


def apis(un):
    """Create, read and delete an API."""
    name = unique("payments")
    created = un.apis.create_api(name=name)
    api_id = created.data.api_id
    holds("an API's id", api_id.startswith("api_"), api_id)
    holds("a request's id", created.meta.request_id.startswith("req_"), created.meta)
    same("the API read back", un.apis.get_api(api_id=api_id).data, {"id": api_id, "name": name})

    keys = un.apis.list_keys(api_id=api_id).result
    same("the keys of a new API", keys.data, [])
    same("the page of no keys", keys.pagination, {"hasMore": False})

    key = new_key(un, api_id=api_id).key
    same("the response to a deletion", un.apis.delete_api(api_id=api_id).data, {})
    expect_error("get_api of a deleted API", error_of(un.apis.get_api, api_id=api_id), NOT_FOUND)
    same("a key of a deleted API", verify(un, key), {"valid": False, "code": "NOT_FOUND"})
    expect_error("create_key in a deleted API", error_of(un.keys.create_key, api_id=api_id), NOT_FOUND)
