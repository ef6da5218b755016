"""Runs every sample of the README of unkey.py with its newest version.

    readme.py PAGE

BASE_URL and ROOT_KEY are set by compat/run. The samples name Unkey's host.
"""

import logging
import os
import re
import sys
import tempfile
from pathlib import Path

from proxy import unkey_hosts
from samples import changed, run
from tally import same, summary

CREATED = r"meta=.*data=.*api_id='api_\w+'\)"

# What each sample prints, in the order of the page, and its changes.
SAMPLES = [
    ("a script for uv", "", []),
    ("the first example", CREATED, []),
    ("the asynchronous example", CREATED, []),
    ("authentication", CREATED, []),
    # The cursor is of a list that isn't here.
    ("pagination", "", [(', cursor="cursor_eyJrZXkiOiJrZXlfMTIzNCJ9"', "")]),
    # An argument without a name after one with a name is no Python.
    ("retries of a call", CREATED, [("\n        RetryConfig(", "\n        retries=RetryConfig(")]),
    ("retries of a client", CREATED, []),
    ("errors", CREATED, []),
    ("another server", CREATED, []),
    ("a client of one's own", "", []),
    # The names of typing aren't imported.
    ("a wrapped client", "", [("import httpx\n", "import httpx\nfrom typing import Any, Optional, Union\n")]),
    # A block of nothing but a comment is no Python.
    ("resources", "", [("# Rest of application here...", "unkey.apis.create_api(name='payments')")]),
    ("logs", "", []),
]

page = Path(sys.argv[1]).read_text()
blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
same("samples of the page", len(blocks), len(SAMPLES))
with tempfile.TemporaryDirectory() as folder, unkey_hosts(folder):
    for (name, printed, changes), block in zip(SAMPLES, blocks):
        code = changed(name, block, changes).replace("<YOUR_BEARER_TOKEN_HERE>", os.environ["ROOT_KEY"])
        output, scope = run(name, code)
        same(f"{name}: {output!r}", bool(re.fullmatch(printed, output.strip())), True)
        if "main" in scope and name == "resources":
            scope["main"]()
logging.disable()  # the last sample turned it on
sys.exit(summary())
