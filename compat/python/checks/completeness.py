"""Every operation of the client succeeded and failed at least once."""

import importlib
import inspect

from tally import tried

from .client import NEWEST, VERSION, succeeded
from .matrix import REQUESTS
from .tally import holds, same

GROUPS = ("apis", "identities", "keys", "permissions", "ratelimit") + (("root_keys", "workspace") if NEWEST else ())

# The number of methods of each version in these groups, including _async versions. It
# makes the check fail if the enumeration misses methods.
METHODS = {"3.0.3": 2 * 38, "3.2.2": 2 * 48}


def _methods(group):
    """Return the names of the public methods of a group."""
    module = importlib.import_module(f"unkey.py.{group.replace('_', '')}")
    (cls,) = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return [f"{group}.{name}" for name in vars(cls) if not name.startswith("_")]


def completeness():
    """Check that every method succeeded, and that its operation failed."""
    methods = [method for group in GROUPS for method in _methods(group)]
    for method in methods:
        operation = method.removesuffix("_async")
        holds(f"{method} succeeded", method in succeeded)
        holds(f"{method} failed", operation in REQUESTS)
    tried("`unkey.py`", VERSION, set(methods) & succeeded)
    same("methods of the SDK", len(methods), METHODS[VERSION])
