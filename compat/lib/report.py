"""Writes results.md from what the clients recorded, or compares it with them.

    report.py FOLDER RESULTS.MD [--write]

FOLDER has a folder for each run. Its file failed has 0 if all checks passed, its file
results a line for each method that succeeded, and its file skipped why it wasn't run.
"""

import sys
from collections import defaultdict
from pathlib import Path

HEAD = """# What the clients did

`compat/run --write` writes this file, and `compat/run` fails if it differs from what the clients did. A method was tried if it
succeeded at least once; [README.md](README.md#what-the-checks-cover) says what else the checks cover.

| client | version | methods tried | result |
|---|---|---|---|
"""


def read(folder):
    """Return the rows of all runs by client and version, and their methods."""
    rows, methods = {}, defaultdict(set)
    for run in sorted(Path(folder).glob("*/failed")):
        result = "passes" if run.read_text().strip() == "0" else "**fails**"
        for line in lines(run.with_name("results")):
            client, version, method = line.split("\t")
            methods[client, version].add(method.removesuffix("_async"))
            rows[client, version] = result
        for line in lines(run.with_name("skipped")):
            client, reason = line.split("\t")
            rows[client, "–"] = f"skipped: {reason}"
    return rows, methods


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def table(rows, methods):
    """Return the table, and a list of the methods of each client."""
    order = sorted(rows)
    text = "".join(f"| {client} | {version} | {len(methods[client, version]) or '–'} | {rows[client, version]} |\n" for client, version in order)
    text += "\n## Methods\n\n"
    for client, version in order:
        if named := sorted(methods[client, version]):
            text += f"- {client} {version}: " + ", ".join(f"`{name}`" for name in named) + "\n"
    return text


def main(folder, file, write=False):
    rows, methods = read(folder)
    now = HEAD + table(rows, methods)
    if write:
        Path(file).write_text(now)
        return 0
    # A client that this machine can't run keeps what the file says.
    skipped = {client for (client, version) in rows if version == "–"}
    want = [line for line in lines(Path(file)) if not any(mentions(line, client) for client in skipped)]
    got = [line for line in now.splitlines() if not any(mentions(line, client) for client in skipped)]
    if want == got:
        return 0
    print(f"{file} isn't current; compat/run --write writes it:")
    for line in sorted(set(want) ^ set(got)):
        print(("- " if line in want else "+ ") + line)
    return 1


def mentions(line, client):
    return line.startswith((f"| {client} |", f"- {client} "))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], write=sys.argv[3:] == ["--write"]))
