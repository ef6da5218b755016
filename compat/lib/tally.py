"""Counts checks, prints the failed ones, and records which methods succeeded."""

import inspect
import os
import sys

_counts = {"passed": 0, "failed": 0}


def same(what, got, want):
    """Check that two values are equal."""
    good = got == want
    _counts["passed" if good else "failed"] += 1
    if not good:
        print(f"FAIL {what}: got {got!r}, want {want!r}", file=sys.stderr)


def summary():
    """Print the number of passed and failed checks, and return the exit status."""
    print(f"{_counts['passed']} passed, {_counts['failed']} failed")
    return 1 if _counts["failed"] else 0


def tried(client, version, methods):
    """Write the methods of a client that succeeded, for compat/results.md."""
    with open(os.environ["RESULTS"], "a") as results:
        for method in methods:
            results.write(f"{client}\t{version}\t{method}\n")


class Recorder:
    """A client, or one of its services, whose methods are recorded when they succeed."""

    def __init__(self, target, methods, prefix=""):
        self._target, self._methods, self._prefix = target, methods, prefix

    def __getattr__(self, name):
        member, path = getattr(self._target, name), self._prefix + name
        if not callable(member):
            return Recorder(member, self._methods, path + ".")

        def call(*args, **kwargs):
            result = member(*args, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(result, path)
            self._methods.add(path)
            return result

        return call

    async def _awaited(self, result, path):
        response = await result
        self._methods.add(path)
        return response
