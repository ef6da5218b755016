"""Takes the samples out of the pages.

A fenced block is a sample if the line before it is <!-- sample: NAME -->. NAME
is the file that the block is written to; blocks of one name are parts of one
file, in the order of the page.
"""

import re
from pathlib import Path

FENCE = re.compile(r"^(?:<!-- sample: (?P<name>\S+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

# What a reader types into a shell and what is only shown. A block in any other
# language must be a sample.
SHOWN = {"", "sh"}

# The README marks its samples by language.
README_FILES = {"go": "readme.go", "js": "readme.mjs", "python": "readme.py"}


def unmarked(page):
    """The first lines of the blocks of a page that should be samples and are not."""
    return [
        block["code"].partition("\n")[0]
        for block in FENCE.finditer(page.read_text())
        if not block["name"] and block["language"] not in SHOWN
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


def promised(text):
    """What a program says it prints: the comments behind its print and console.log statements."""
    return re.findall(r"^ *(?:print\(.*\)  #|console\.log\(.*\); //) (.*)$", text, re.MULTILINE)


def prints(text):
    """How many lines of a program print."""
    return len(re.findall(r"^ *(?:print|console\.log)\(", text, re.MULTILINE))
