#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Options that are read nowhere. Every row of the daemon's and the plugins' option tables
must be asked for by a getter, and where the getter's value goes into a member of a
struct, something else must read that member; or the value is refused with a reason.
An option that is parsed, documented and without effect is a promise that is not kept.

What it does must show as well: every option of the daemon is set in a scenario of
tests/functional, and every option of a plugin there or in a unit test.

  options.py [SOURCE]     says which break that; 1 if any does.
  options.py --list       where each is read.

First the rule is tried on options that break it.
"""
import os
import re
import sys
import tempfile

ROW = re.compile(r'\{\s*\.name = "(\w+)",\s*\.type')
GETTER = (r'(?:cts_options_(?:bool|int|string|count|item|is_set)|config_lookup)'
          r'\(\s*[^,;"]+,\s*"%s"')
# A member that takes the getter's value: `.member = ... getter` or `x->member = ... getter`.
MEMBER = r'(?:\.|->)(\w+) = [^;,{}]*?%s'


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as fp:
        return re.sub(r"/\*.*?\*/", "", fp.read(), flags=re.S)


def c_files(root, *folders):
    for folder in folders:
        for path, _, files in os.walk(os.path.join(root, folder)):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(path, name), root)


def tables(root):
    """Each table: its file, its option names, the files in which they may be read."""
    conf = "core/config/conf_tables.c"
    if os.path.exists(os.path.join(root, conf)):
        yield conf, ROW.findall(read(root, conf)), [*c_files(root, "core", "cli")]
    for path in c_files(root, "plugins"):
        names = ROW.findall(read(root, path))
        if names:
            yield path, names, [*c_files(root, os.path.dirname(path))]


def strip_tables(text):
    return re.sub(r"static const struct cts_option \w+\[\] = \{.*?\n\};", "", text, flags=re.S)


class Reader:
    def __init__(self, root):
        self.root, self.text = root, {}

    def __call__(self, path):
        if path not in self.text:
            self.text[path] = strip_tables(read(self.root, path))
        return self.text[path]


def member_is_read(texts, member):
    """Anywhere but where it is set."""
    use = re.compile(r"(?:\.|->)%s\b(?!\s*=[^=])" % member)
    return any(use.search(t) for t in texts)


def where_read(texts, name):
    """(file, member or None) of each getter; the member only if it is read."""
    found, unread = [], []
    for path, text in texts.items():
        getter = GETTER % name
        n = len(re.findall(getter, text, re.S))
        members = re.findall(MEMBER % getter, text, re.S)
        for member in members:
            (found if member_is_read(texts.values(), member) else unread).append((path, member))
        if n > len(members):
            found.append((path, None))
    return found, unread


def refused(texts, name):
    """The configuration refuses it whatever the rest says."""
    return any(re.search(r'cross_error\(\w+, "\w+", "%s",\s*"this release' % name, t)
               for t in texts.values())


def check(root, show=None):
    reader = Reader(root)
    for path, names, files in tables(root):
        texts = {p: reader(p) for p in files}
        for name in names:
            found, unread = where_read(texts, name)
            if show:
                show(path, name, found)
            if found or refused(texts, name):
                continue
            if unread:
                yield f"{path}: {name}: goes into {unread[0][1]}, which nothing reads"
            else:
                yield f"{path}: {name}: no getter asks for it"


# What a scenario cannot see; a unit test sets what the option becomes.
SEEN_BY_UNIT_TESTS = {
    "coalesce": ("tests/unit/test_node_reader.c", r"\.coalesce = mode\b"),
    "tcp_window_tracking": ("tests/unit/test_restore_rules.c", r"tcp_window_tracking = true"),
}


def tests_text(root, folder, ending):
    folder = os.path.join(root, folder)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else ()
    texts = []
    for name in names:
        if name.endswith(ending):
            with open(os.path.join(folder, name), encoding="utf-8") as fp:
                texts.append(fp.read())
    return "\n".join(texts)


def in_scenario(name, text):
    # in a configuration, or as a word of the list that options.sh turns into some
    return re.search(r"\b%s = [^=]" % name, text) or re.search(r"^\t%s \S" % name, text, re.M)


def in_unit_test(name, text):
    # "name=value,name" as cts_options_parse_text() reads it
    return re.search(r'["(,]%s(=|[",])' % name, text)


def without_test(root):
    scenarios = tests_text(root, "tests/functional", ".sh")
    units = tests_text(root, "tests/unit", ".c")
    for path, names, _ in tables(root):
        for name in names:
            plugin = path.startswith("plugins/")
            if in_scenario(name, scenarios) or plugin and in_unit_test(name, units):
                continue
            where, what = SEEN_BY_UNIT_TESTS.get(name, (None, None))
            if not where:
                yield f"{path}: {name}: no test sets it"
            elif not re.search(what, tests_text(root, *os.path.split(where))):
                yield f"{path}: {name}: {where} does not look at it any more"


TRIED = (
    ('cts_options_bool(o, "a");', "", 0),
    ("", "", 1),
    ('s.b = x; c = (struct s){ .b = cts_options_bool(o, "a"), };', "", 1),
    ('c = (struct s){ .b = !cts_options_bool(o, "a") };', "if (c->b) f();", 0),
    ('c->b = cts_options_int(o,\n"a");', "c->b = 3;", 1),
    ('if (!cts_options_bool(o, "a"))\n', "", 0),
    ('cross_error(ld, "sync", "a", "this release cannot");', "", 0),
)


def try_rule():
    for text, other, expected in TRIED:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "core/config"))
            for path, body in (
                    ("core/config/conf_tables.c",
                     'static const struct cts_option t[] = {\n\t{ .name = "a", .type = CTS_OPT_BOOL },\n};\n'),
                    ("core/config/conf.c", text), ("core/user.c", other)):
                with open(os.path.join(root, path), "w", encoding="utf-8") as fp:
                    fp.write(body)
            if len([*check(root)]) != expected:
                yield f"the rule is wrong about {text!r} with {other!r}"


def main(argv):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = os.environ.get("CTS_SRC", here)
    show = None
    if argv == ["--list"]:
        def show(path, name, found):
            print(f"{path}: {name}:", ", ".join(f"{p} {m or ''}".strip() for p, m in found))
    elif argv:
        root = argv[0]
    broken = [*try_rule(), *check(root, show), *without_test(root)]
    for line in broken:
        print(line)
    return 1 if broken else 0


sys.exit(main(sys.argv[1:]))
