"""The server that the checks run against, as compat/run sets it."""

import os
import secrets
import subprocess
import time

BASE_URL = os.environ["BASE_URL"]
ROOT_KEY = os.environ["ROOT_KEY"]

# A window long enough that no run crosses its end by bad luck alone, in
# milliseconds.
DAY = 24 * 60 * 60 * 1000


def now():
    """Return the time in Unix milliseconds."""
    return int(time.time() * 1000)


def unique(prefix):
    """Return a name that nothing else on the server has."""
    return f"{prefix}_{secrets.token_hex(6)}"


def _last_line(*command):
    """Return the last line a command prints, where latchkey puts results."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return out.strip().splitlines()[-1]


def latchkey(*args):
    """Run the latchkey program as the server's operator."""
    return _last_line(os.environ["LATCHKEY"], *args)


def root_key(*permissions):
    """Make a root key that holds the permissions and nothing else."""
    return _last_line(*os.environ["ROOT_KEY_CMD"].split(), *permissions)
