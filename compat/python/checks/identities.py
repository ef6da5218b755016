"""identities.*"""

from .client import NEWEST, comparable, identity_of, limit, limit_response
from .errors import CONFLICT, NOT_FOUND, expect_error
from .server import unique
from .tally import error_of, holds, same


def identities(un):
    """Create, read, update and delete an identity."""
    external = unique("user")
    meta = {"plan": "pro", "seats": 3, "tags": ["a", "b"], "nested": {"on": True}}
    create = {
        "external_id": external,
        "meta": meta,
        "ratelimits": [limit("requests", 100, True), limit("tokens", 5000, False)],
    }
    id = un.identities.create_identity(**create).data.identity_id
    want = {"id": id, "externalId": external, "meta": meta}
    want["ratelimits"] = [limit_response("requests", 100, True), limit_response("tokens", 5000, False)]
    same("the identity by its id", identity_of(un, id), want)
    same("the identity by its external id", identity_of(un, external), want)
    expect_error("an external id taken twice", error_of(un.identities.create_identity, **create), CONFLICT)

    _change(un, id, external)
    _list(un, id, external)
    _delete(un, id, external)


def _limit_id(un, identity):
    limits = un.identities.get_identity(identity=identity).data.ratelimits
    return next(item.id for item in limits if item.name == "requests")


def _change(un, id, external):
    before = _limit_id(un, id)
    want = {"id": id, "externalId": external, "meta": {"plan": "free"}, "ratelimits": [limit_response("requests", 7, True)]}
    response = un.identities.update_identity(identity=id, meta=want["meta"], ratelimits=[limit("requests", 7, True)])
    same("the response to an update", comparable(response.data), want)
    same("the updated identity", identity_of(un, id), want)
    same("the id of a limit of the same name", _limit_id(un, id), before)

    un.identities.update_identity(identity=id, ratelimits=[])
    same("limits removed, meta kept", identity_of(un, id), {"id": id, "externalId": external, "meta": want["meta"]})
    un.identities.update_identity(identity=id, meta={})
    same("meta cleared", identity_of(un, id), {"id": id, "externalId": external})


def _list(un, id, external):
    if NEWEST:
        found = un.identities.list_identities(search=external).result
        same("the identity found by search", found.data, [{"id": id, "externalId": external}])
        same("the only page", found.pagination, {"hasMore": False})


def _delete(un, id, external):
    response = un.identities.delete_identity(identity=external)
    holds("the response to a deletion has a request id", response.meta.request_id)
    expect_error("get_identity of a deleted identity", error_of(un.identities.get_identity, identity=id), NOT_FOUND)
    expect_error("a second deletion", error_of(un.identities.delete_identity, identity=external), NOT_FOUND)
