"""Every list, read to its end with the SDK's paginator."""

from .client import new_api, new_key
from .ratelimits import count
from .server import DAY, latchkey, unique
from .tally import same

# Seven items in pages of three make three pages. The last one is not full.
ITEMS, SIZE = 7, 3


def paging(un):
    """Create items in a new workspace and read the lists."""
    un = un.with_key(latchkey("workspaces", "create", unique("paging")))
    api_id, namespace = new_api(un), unique("namespace")
    count(un, namespace, "anybody", 0)
    names, key_ids = [f"paged_{i}" for i in range(ITEMS)], []
    for name in names:
        key_ids.append(new_key(un, api_id=api_id).key_id)
        un.identities.create_identity(external_id=name)
        un.permissions.create_permission(name="Paged", slug=name)
        un.permissions.create_role(name=name)
        un.ratelimit.set_override(namespace=namespace, identifier=name, limit=1, duration=DAY)

    _walk("list_keys", un.apis.list_keys(api_id=api_id, limit=SIZE), "key_id", key_ids)
    _walk("list_identities", un.identities.list_identities(limit=SIZE), "external_id", names)
    _walk("list_permissions", un.permissions.list_permissions(limit=SIZE), "slug", names)
    _walk("list_roles", un.permissions.list_roles(limit=SIZE), "name", names)
    _walk("list_overrides", un.ratelimit.list_overrides(namespace=namespace, limit=SIZE), "identifier", names)


def _walk(what, page, member, want):
    """Read a list to its end: it must have three pages and every item once."""
    got, sizes = [], []
    while page is not None:
        got += [getattr(item, member) for item in page.result.data]
        sizes.append(len(page.result.data))
        page = page.next()
    same(f"{what} has every item once", sorted(got), sorted(want))
    same(f"{what}, sizes of pages", sizes, [3, 3, 1])
