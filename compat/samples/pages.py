"""Extracts the samples from the pages.

A fenced block is a sample if the line before it is <!-- sample: NAME -->. NAME is
the file to write it to. Blocks with the same name are parts of one file, in the
order of the page.
"""

import re
from pathlib import Path

FENCE = re.compile(r"^(?:<!-- sample: (?P<name>\S+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

# Languages of blocks that are not samples: shell commands and plain text. A block in
# any other language must be a sample.
NOT_SAMPLES = {"", "sh"}

# The README marks its samples by language.
README_FILES = {"go": "readme.go", "js": "readme.mjs", "python": "readme.py"}


def unmarked(page):
    """Returns the first line of each block of a page that lacks its sample marker."""
    return [
        block["code"].partition("\n")[0]
        for block in FENCE.finditer(page.read_text())
        if not block["name"] and block["language"] not in NOT_SAMPLES
    ]


def extract(page, folder):
    """Writes the samples of a page into a folder and returns their texts by file name."""
    samples = {}
    for block in FENCE.finditer(page.read_text()):
        if name := block["name"]:
            file = README_FILES.get(name, name)
            samples[file] = samples.get(file, "") + block["code"]
    for file, text in samples.items():
        path = Path(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return samples


def expected(text):
    """Returns the expected output: the comments after print and console.log statements."""
    return re.findall(r"^ *(?:print\(.*\)  #|console\.log\(.*\); //) (.*)$", text, re.MULTILINE)


def shown(text):
    """Returns the expected output of a shell script: the comments after its commands."""
    return re.findall(r"^[^#\n].*? +# (.*)$", text, re.MULTILINE)


def prints(text):
    """Counts the print and console.log statements of a program."""
    return len(re.findall(r"^ *(?:print|console\.log)\(", text, re.MULTILINE))
