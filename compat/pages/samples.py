"""Runs the samples of a page, with the smallest change where they can't run as they stand."""

import contextlib
import io
import re
import sys
import traceback


def changed(name, code, changes):
    """Return a sample with its changes. Each must still be needed."""
    for old, new in changes:
        if old not in code:
            raise ValueError(f"{name}: there is no {old!r} to change")
        code = code.replace(old, new)
    return code


def run(name, code, **variables):
    """Run a sample, and return what it printed and its variables."""
    output, scope = io.StringIO(), {"__name__": "sample", **variables}
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(code, name, "exec"), scope)  # noqa: S102: that is what this file is for
    except Exception:  # the next sample still runs
        traceback.print_exc(file=sys.stderr)
        return "(exception)", scope
    return output.getvalue(), scope


def between(text, after, before):
    """Return the lines between two lines."""
    match = re.search(rf"^{re.escape(after)}\n(.*?)^{re.escape(before)}$", text, re.MULTILINE | re.DOTALL)
    if not match:
        raise ValueError(f"the page has no {after!r} before {before!r}")
    return match[1]
