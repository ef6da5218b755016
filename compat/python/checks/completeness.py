"""Every operation of the client was exercised."""

import importlib
import inspect

from .client import VERSION, answered
from .matrix import REQUESTS
from .newer import OPERATIONS
from .tally import holds, same

GROUPS = ("apis", "identities", "keys", "permissions", "ratelimit")

# How many methods each version has in the five groups, _async twins included.
# It keeps the enumeration from finding nothing and being content.
METHODS = {"3.0.3": 2 * 38, "3.2.2": 2 * 41}


def _methods(group):
    """Return the names of a group's own public methods."""
    module = importlib.import_module(f"unkey.py.{group}")
    (cls,) = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return [f"{group}.{name}" for name in vars(cls) if not name.startswith("_")]


def completeness():
    """Check that each method was answered, and made to fail."""
    methods = [method for group in GROUPS for method in _methods(group)]
    for method in methods:
        operation = method.removesuffix("_async")
        holds(f"{method} was exercised", method in answered)
        holds(f"{method} was made to fail", operation in REQUESTS or operation in OPERATIONS)
    same("methods of the SDK", len(methods), METHODS[VERSION])
