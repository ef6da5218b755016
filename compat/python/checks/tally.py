"""Counts checks and prints the failed ones."""

import sys

_counts = {"passed": 0, "failed": 0}
_scenario = ""


def _fail(what, details):
    _counts["failed"] += 1
    print(f"FAIL {_scenario}: {what}: {details}", file=sys.stderr)


def plain(value):
    """Return a response of the SDK as JSON. Absent members stay absent."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return value


def same(what, got, want):
    """Check that two values are equal in every field, and return the result."""
    got, want = plain(got), plain(want)
    if got == want:
        _counts["passed"] += 1
    else:
        _fail(what, f"got {got!r}, want {want!r}")
    return got == want


def holds(what, condition, details=""):
    """Check a condition, and print the details if it is false."""
    if condition:
        _counts["passed"] += 1
    else:
        _fail(what, details)


def error_of(call, *args, **kwargs):
    """Return the exception of a call, or None."""
    try:
        call(*args, **kwargs)
    except Exception as error:  # any class of the SDK
        return error
    return None


def run(name, scenario, *args):
    """Run a scenario. An exception counts as a failed check."""
    global _scenario
    _scenario = name
    try:
        scenario(*args)
    except Exception as error:  # the next scenario still runs
        _fail("the scenario aborted", f"{type(error).__name__}: {error}")


def summary():
    """Print the number of passed and failed checks, and return the exit status."""
    print(f"{_counts['passed']} passed, {_counts['failed']} failed")
    return 1 if _counts["failed"] else 0
