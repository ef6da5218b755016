"""The server under test. compat/run sets the environment."""

import os
import secrets
import subprocess
import time

BASE_URL = os.environ["BASE_URL"]
ROOT_KEY = os.environ["ROOT_KEY"]

# A window in milliseconds. It is long, so that a run seldom crosses its end.
DAY = 24 * 60 * 60 * 1000


def now():
    """Return the time in Unix milliseconds."""
    return int(time.time() * 1000)


def unique(prefix):
    """Return a name that is unique on the server."""
    return f"{prefix}_{secrets.token_hex(6)}"


def _last_line(*command):
    """Return the last line of a command's output, where latchkey prints ids and keys."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return out.strip().splitlines()[-1]


def latchkey(*args):
    """Run the latchkey program as the server's operator."""
    return _last_line(os.environ["LATCHKEY"], *args)


def root_key(*permissions):
    """Create a root key with only these permissions."""
    return _last_line(*os.environ["ROOT_KEY_CMD"].split(), *permissions)
