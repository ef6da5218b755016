"""Exercises unkey.py, as it is published, against a running Latchkey.

Everything runs twice, with the client's methods and with their _async versions.
compat/run sets its environment:

    BASE_URL      the URL of the server
    ROOT_KEY      a root key with every permission in its workspace
    ROOT_KEY_CMD  a command; with permissions as arguments, its last line of output is a
                  new root key with these permissions
    LATCHKEY      the latchkey program, configured to call the server as its operator

Its last line of output is the number of passed and failed checks. It fails if any check
failed.
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
