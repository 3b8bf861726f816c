#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Words that are not the field's. HACKING.md's glossary has the terms; a word of our own
beside one of them makes readers look for a difference that is none.

  words.py [SOURCE]   says where such a word stands; 1 if it does anywhere.

It reads names, comments, messages and pages; words within names count as well.
"""
import os
import re
import subprocess
import sys

# word: what to say
WORDS = {
    "heard": "received, received from, reachable",
    "hear": "receive, subscribe",
    "hears": "receives",
    "told": "announced, sent, reported, printed",
    "anew": "again, once more, from the start",
    "hush": "suppress NEW events",
    "hushed": "suppressed",
    "owing": "unacknowledged",
    "dear": "expensive",
    "blame": "attribute loss",
    "blamed": "attributed to",
    "blames": "attributes to",
    "deaf": "one-way, receives nothing",
}
# File and what may stand there.
ALLOWED = (
    ("HACKING.md", "not told; received or reachable, not heard"),
    ("tests/tools/words.py", ""),
)
SKIPPED = ("tests/abi/", "COPYING")     # released headers are as they are

WORD = re.compile(r"(?<![A-Za-z])(%s)(?![A-Za-z])" % "|".join(WORDS), re.I)


def tracked(root):
    """Of a tree with Git what it tracks, of a tarball what is there."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=False)
    if git.returncode == 0 and git.stdout:
        yield from (p for p in git.stdout.decode().split("\0") if p)
        return
    for path, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if d not in ("build", "autom4te.cache", "_build")]
        for name in files:
            if name.endswith((".c", ".h", ".md", ".sh", ".py", ".cfg", ".in", ".inc", ".1", ".5", ".8")):
                yield os.path.relpath(os.path.join(path, name), root)


def allowed(path, line):
    return any(path == p and text in line for p, text in ALLOWED)


def found(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        for word in WORD.findall(line):
            if not allowed(path, line):
                yield f"{path}:{number}: {word}: rather {WORDS[word.lower()]}"


def check(root):
    for path in sorted(tracked(root)):
        full = os.path.join(root, path)
        if path.startswith(SKIPPED) or not os.path.isfile(full):
            continue
        with open(full, "rb") as fp:
            text = fp.read()
        if b"\0" not in text:
            yield from found(path, text.decode(errors="replace"))


TRIED = (("a node is heard\n", 1), ("links_heard = last_heard_ns;\n", 2), ("HUSH_ENTRIES\n", 1),
         ("/* overheard, toldo, Dearborn */\n", 0), ("anew,\nanew\n", 2))


def try_rule():
    for text, n in TRIED:
        if len([*found("x.c", text)]) != n:
            yield f"the rule is wrong about {text!r}"


def main(argv):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = argv[0] if argv else os.environ.get("CTS_SRC", here)
    lines = [*try_rule(), *check(root)]
    for line in lines:
        print(line)
    return 1 if lines else 0


sys.exit(main(sys.argv[1:]))
