"""Counts checks and prints the failed ones."""

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
