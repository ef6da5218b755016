"""Exercises unkey.py, as it is published, against a running Latchkey.

Everything is done twice, with the client's methods and with their _async twins.
It takes the server from the environment, as compat/run sets it:

    BASE_URL      where the server is
    ROOT_KEY      a root key that may do everything in its workspace
    ROOT_KEY_CMD  a command; with permissions appended as arguments it prints, on
                  its last line, a new root key that holds them
    LATCHKEY      the latchkey program, set up to reach the server as its operator

It ends with one line, how many checks passed and how many failed, and fails if
any did.
"""

import sys

from checks import apis, completeness, errors, grants, identities, keys, matrix, newer, paging
from checks import permissions, ratelimits, retries, updates, verification
from checks.client import WAYS, Client
from checks.server import ROOT_KEY
from checks.tally import run, summary

SCENARIOS = [
    apis.apis,
    identities.identities,
    permissions.permissions,
    keys.keys,
    updates.updates,
    updates.credits,
    grants.grants,
    grants.migration,
    verification.verification,
    verification.key_limits,
    ratelimits.ratelimits,
    ratelimits.overrides,
    paging.paging,
    matrix.errors_of_all,
    errors.other_errors,
    retries.retries,
    newer.newer,
]

for way in WAYS:
    for scenario in SCENARIOS:
        run(f"{scenario.__name__}, {way}", scenario, Client(ROOT_KEY, way))
run("completeness", completeness.completeness)
sys.exit(summary())
