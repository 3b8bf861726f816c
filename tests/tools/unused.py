#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Functions that nothing but tests use. A function with external linkage is there for
another file of the product, or for plugins: one that has no such caller is dead, and a
test that calls it proves nothing.

  unused.py [SOURCE]   says which there are; 1 if any.

What public headers declare is for plugins and stays. What only its own file uses has to
be static, unless a test needs it by name. Files that no Makefile names are dead, too. First the rule is tried on a small tree.
"""
import os
import re
import sys
import tempfile

PRODUCT = ("core", "cli", "plugins")
DEFINITION = re.compile(r"^(?!static\b|typedef\b|extern\b|#|\s|[A-Z_]+ )[\w \t*]*?\b(\w+)\([^;{}]*\)\s*\{", re.M)
# Headers that are for the simulation, and calls without which a test could not look.
FOR_TESTS = ("core/sync/inspect.h",)
SEEN_BY_TESTS = (
    "cts_writer_pending",       # that a flush leaves nothing, and what waits before it
)
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)


def sources(root, *folders):
    for folder in folders:
        for path, _, files in os.walk(os.path.join(root, folder)):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(path, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as fp:
        return COMMENT_OR_STRING.sub(lambda m: "\n" * m.group().count("\n") or '""', fp.read())


def used_names(text):
    """Names in bodies, tables and macros: declarations and definitions begin a line."""
    names = set()
    for line in text.split("\n"):
        if line[:1] in ("\t", " "):
            names.update(re.findall(r"\w+", line))
        elif line.startswith("#define"):
            names.update(re.findall(r"\w+", line.partition(" ")[2].partition(" ")[2]))
        elif "=" in line:
            names.update(re.findall(r"\w+", line.partition("=")[2]))
        elif line.startswith("static") and "{" in line:   # a function in one line
            names.update(re.findall(r"\w+", line.partition("{")[2]))
    return names


def check(root):
    text = {path: read(root, path) for path in sources(root, *PRODUCT)}
    used = {path: used_names(body) for path, body in text.items()}
    tested = set()
    for path in sources(root, "tests", "bench"):
        tested |= used_names(read(root, path))
    public = set()
    for path, body in text.items():
        if path.startswith("core/include/") or path in FOR_TESTS:
            public.update(re.findall(r"\b(\w+)\(", body))
    for path, body in text.items():
        if not path.endswith(".c"):
            continue
        # the name may stand on a line of its own, below the type
        for name in DEFINITION.findall(re.sub(r"^(static\b[^\n;{=]*)\n(?=\w+\()", r"\1 ", body, flags=re.M)):
            if name in ("main", *SEEN_BY_TESTS) or name in public:
                continue
            if any(name in names for other, names in used.items() if other != path):
                continue
            if name not in used[path]:
                yield f"{path}: {name}: " + ("only tests use it" if name in tested else "nothing uses it")
            elif name not in tested:
                yield f"{path}: {name}: no other file uses it: static"


def unbuilt(root):
    """Sources that no Makefile fragment names: nobody compiles or runs them."""
    fragments = ""
    for path, _, files in os.walk(root):
        for name in files:
            if name == "Makefile.am" or name.endswith(".inc"):
                with open(os.path.join(path, name), encoding="utf-8") as fp:
                    fragments += fp.read()
    for path in sources(root, *PRODUCT, "tests", "bench"):
        if path not in fragments and not path.startswith(("core/include/", "tests/abi/")):
            yield f"{path}: no Makefile fragment names it"


TRIED = (
    ("\tone();\n", "", []),
    ("", "", ["nothing uses it"]),
    ("", "\tone();\n", ["only tests use it"]),
    ("/* one() */\n\tf(\"one\");\n", "\tone();\n", ["only tests use it"]),
    ("static int (*f)(void) = one;\n", "", []),
)


def try_rule():
    for other, test, expected in TRIED:
        with tempfile.TemporaryDirectory() as root:
            for path, body in (("core/a.c", "int one(void)\n{\n\treturn 1;\n}\n"),
                               ("core/a.h", "int one(void);\n"),
                               ("core/b.c", other), ("tests/t.c", test)):
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as fp:
                    fp.write(body)
            found = [*check(root)]
            if len(found) != len(expected) or any(e not in f for e, f in zip(expected, found)):
                yield f"the rule is wrong about {other!r} with {test!r}: {found}"


def main(argv):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = argv[0] if argv else os.environ.get("CTS_SRC", here)
    found = [*try_rule(), *check(root), *unbuilt(root)]
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main(sys.argv[1:]))
