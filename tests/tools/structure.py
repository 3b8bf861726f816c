#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The shape of the tree, as HACKING.md has it: arrows point one way.

  structure.py [SOURCE [BUILD]]   says what breaks a rule; 1 if anything does.
  structure.py --graph            which folder of core includes which.

Before the tree each rule is tried on a small one that breaks it: a rule that does
not see that is no rule. The rules on symbols need a build.
"""
import os
import re
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def sources(root, *folders):
    for folder in folders:
        for path, dirs, files in os.walk(os.path.join(root, folder)):
            dirs.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h", ".y", ".l")):
                    yield os.path.relpath(os.path.join(path, name), root)


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as fp:
        return [name for _, name in INCLUDE.findall(fp.read())]


def part(path):
    """The part of the tree: cli/conntrack, core/flow, plugins; core/include is the public one."""
    parts = path.split("/")
    return parts[0] if parts[0] == "plugins" else "/".join(parts[:2])


# -- rules on includes: path, what it includes -> complaint or None --

def core_knows_no_front_end(path, name):
    if path.startswith("core/") and name.startswith(("cli/", "plugins/", "tests/")):
        return "the core includes what is built upon it"


def public_headers_stand_alone(path, name):
    if path.startswith("core/include/") and name.startswith(("core/", "cli/", "plugins/")):
        return "a public header includes one that is not installed"


def plugins_see_public_headers_alone(path, name):
    if path.startswith("plugins/") and name.startswith(("core/", "cli/", "tests/")):
        return "a plugin may include <ctsync/...> and plugins/ only"


def front_ends_do_not_know_each_other(path, name):
    if path.startswith("cli/") and name.startswith("plugins/"):
        return "plugins are loaded, not included"
    if path.startswith("cli/") and name.startswith("cli/") and part(path) != part(name):
        return "the other front end's: what both need belongs into core"


def tests_are_not_part_of_it(path, name):
    if path.startswith("cli/") and name.startswith("tests/"):
        return "the program includes its test"


RULES = (core_knows_no_front_end, public_headers_stand_alone, plugins_see_public_headers_alone,
         front_ends_do_not_know_each_other, tests_are_not_part_of_it)


def broken_includes(root):
    for path in sources(root, "core", "plugins", "cli"):
        for name in includes(root, path):
            for rule in RULES:
                why = rule(path, name)
                if why:
                    yield f"{path}: {name}: {why}"


# -- circles --

def circles(graph):
    """Each strongly connected set of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in sorted(graph.get(v, ())):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            one = []
            while not one or one[-1] != v:
                one.append(stack.pop())
            if len(one) > 1:
                found.append(sorted(one))

    for v in sorted(graph):
        if v not in index:
            visit(v)
    return found


def folder_graph(root):
    """Folder of core -> folder -> the files that make it so."""
    graph = {}
    for path in sources(root, "core"):
        here = part(path)
        for name in includes(root, path):
            there = "core/include" if name.startswith("ctsync/") else part(name)
            if there.startswith("core/") and there != here:
                graph.setdefault(here, {}).setdefault(there, []).append(path)
    return graph


def header_graph(root):
    graph = {}
    for path in sources(root, "core", "cli", "plugins"):
        if path.endswith(".h"):
            graph[path] = {n for n in includes(root, path) if n.endswith(".h")}
            graph[path] |= {"core/include/" + n for n in graph[path] if n.startswith("ctsync/")}
    return graph


def broken_order(root):
    graph = folder_graph(root)
    for circle in circles(graph):
        yield "folders include each other: " + ", ".join(circle)
        for here in circle:
            for there in circle:
                for path in graph.get(here, {}).get(there, ()):
                    yield f"    {path} includes a header of {there}"
    for circle in circles(header_graph(root)):
        yield "headers include each other: " + ", ".join(circle)


# -- symbols --

def map_node(root, node):
    with open(os.path.join(root, "core/libctsync.map"), encoding="utf-8") as fp:
        text = re.sub(r"/\*.*?\*/", "", fp.read(), flags=re.S)
    body = re.search(node + r"\s*\{\s*global:(.*?)(local:|\})", text, re.S)
    return set(re.findall(r"[\w*]+(?=;)", body.group(1))) if body else set()


def declared(root):
    """Functions that public headers declare and do not define there."""
    names = set()
    for path in sources(root, "core/include"):
        with open(os.path.join(root, path), encoding="utf-8") as fp:
            text = re.sub(r"/\*.*?\*/", "", fp.read(), flags=re.S)
        text = re.sub(r"^\s*#.*(\\\n.*)*", "", text, flags=re.M)
        text = re.sub(r"^static inline.*?^\}", "", text, flags=re.S | re.M)
        names |= set(re.findall(r"\b(cts_\w+)\((?!\*)[^;{}]*\)\s*(?:__attribute__\(.*\))?;", text))
    return names


def broken_interface(root):
    names, exported = declared(root), map_node(root, "CTSYNC_1")
    for name in sorted(n for n in exported if "*" in n):
        yield f"core/libctsync.map: {name}: plugins' symbols are named one by one"
    for name in sorted(names - exported):
        yield f"core/libctsync.map: {name} is declared in a public header and not in CTSYNC_1"
    for name in sorted(n for n in exported - names if "*" not in n):
        yield f"core/libctsync.map: {name} is in CTSYNC_1 and no public header declares it"


def dynamic_symbols(path, *options):
    out = subprocess.run(["nm", "-D", "--with-symbol-versions", *options, path], check=True,
                         capture_output=True, text=True).stdout
    return [line.split()[-1] for line in out.splitlines()]


def broken_symbols(build):
    libs = os.path.join(build, ".libs")
    for name in dynamic_symbols(os.path.join(libs, "libctsync.so"), "--defined-only"):
        if not re.match(r"(cts_\w+@@?CTSYNC_(1|PRIVATE)|CTSYNC_(1|PRIVATE)(@@?.*)?)$", name):
            yield f"libctsync.so exports {name}"
    for module in sorted(os.listdir(libs)):
        if not module.endswith(".so") or module.startswith("libct"):
            continue
        path = os.path.join(libs, module)
        if os.path.islink(path) or not plugin_symbol(path):
            continue
        for name in dynamic_symbols(path, "--defined-only"):
            if not re.match(r"\w+_LTX_cts_plugin$", name):
                yield f"{module} exports {name}, too"
        for name in dynamic_symbols(path, "--undefined-only"):
            if name.startswith("cts_") and not name.endswith("@CTSYNC_1"):
                yield f"{module} uses {name}: not one of the plugins' interface"


def plugin_symbol(path):
    return any(n.endswith("_LTX_cts_plugin") for n in dynamic_symbols(path, "--defined-only"))


# -- trying the rules --

def tree(root, files):
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as fp:
            fp.write(text)


GOOD_MAP = "CTSYNC_1 {\nglobal:\n\tcts_one;\nlocal:\n\t*;\n};\nCTSYNC_PRIVATE {\nglobal:\n\tcts_*;\n};\n"
GOOD = {
    "core/libctsync.map": GOOD_MAP,
    "core/include/ctsync/a.h": "#include <stdint.h>\nint cts_one(int (*fn)(void *));\n",
    "core/flow/a.c": '#include <ctsync/a.h>\n#include "core/flow/a.h"\n',
    "core/flow/a.h": "",
    "core/sync/b.c": '#include "core/flow/a.h"\n',
    "core/sync/send/c.c": '#include "core/sync/b.h"\n',
    "core/sync/b.h": '#include <ctsync/a.h>\n',
    "plugins/output/p.c": '#include <ctsync/a.h>\n#include "plugins/output/p.h"\n',
    "plugins/output/p.h": "",
    "cli/one/m.c": '#include "core/sync/b.h"\n#include "cli/one/m.h"\n',
    "cli/one/m.h": "",
}
BAD = (
    ("core/flow/a.c", '#include "cli/one/m.h"\n', "built upon it"),
    ("core/flow/a.c", '#  include "plugins/output/p.h"\n', "built upon it"),
    ("core/include/ctsync/a.h", '#include "core/flow/a.h"\nint cts_one(void);\n', "not installed"),
    ("plugins/output/p.c", '#include "core/flow/a.h"\n', "only"),
    ("cli/one/m.c", '#include "plugins/output/p.h"\n', "loaded"),
    ("cli/one/m.c", '#include "cli/two/m.h"\n', "other front end"),
    ("core/flow/a.h", '#include "core/sync/b.h"\n', "folders include each other: core/flow, core/sync"),
    ("core/sync/b.h", '#include "core/sync/c.h"\n', None),
    ("core/include/ctsync/a.h", "int cts_one(void);\nint cts_two(int,\n\tint);\n", "cts_two is declared"),
    ("core/include/ctsync/a.h", "#define A cts_one(1)\n", "no public header"),
    ("core/libctsync.map", GOOD_MAP.replace("cts_one;", "cts_one*;", 1), "one by one"),
)


def complaints(root):
    return [*broken_includes(root), *broken_order(root), *broken_interface(root)]


def try_rules():
    with tempfile.TemporaryDirectory() as root:
        tree(root, GOOD)
        if complaints(root):
            yield "the rules refuse a good tree: " + "; ".join(complaints(root))
        for path, text, expected in BAD:
            extra = {"core/sync/c.h": '#include "core/sync/b.h"\n'} if not expected else {}
            tree(root, {path: text, **extra})
            found = complaints(root)
            if not any((expected or "headers include each other") in c for c in found):
                yield f"no rule sees {text!r} in {path}: {found}"
            tree(root, GOOD)
            for name in extra:
                os.unlink(os.path.join(root, name))


def main(argv):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = os.environ.get("CTS_SRC", here)
    build = os.environ.get("CTS_BUILD")
    if argv == ["--graph"]:
        for folder, to in sorted(folder_graph(root).items()):
            print(folder, "->", " ".join(sorted(to)))
        return 0
    if argv:
        root, build = argv[0], argv[1] if len(argv) > 1 else None
    found = [*try_rules(), *complaints(root)]
    if build and os.path.exists(os.path.join(build, ".libs/libctsync.so")):
        found += broken_symbols(build)
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main(sys.argv[1:]))
