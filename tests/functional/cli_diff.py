#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the cases of cli_diff.sh, which says what they are.

  cli_diff.py SRC CASES OURS THEIRS TMP OUR_NS THEIR_NS [WORD...]

Each tool has a thread that lives in its tool's network namespace, so that a command line
costs one process and both tools run at once.
"""
import ctypes
import difflib
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

CLONE_NEWNET = 0x40000000
REFILL_S = 5          # the same entries serve until they age visibly
PARTS = ("status", "stdout", "stderr", "table")

TABLE = """\
-A -t 1000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1000 --dport 80 --state ESTABLISHED -m 42
-A -t 1000 -u SEEN_REPLY -s 10.0.0.1 -d 10.0.0.3 -p tcp --sport 1001 --dport 443 --state SYN_SENT -m 42
-A -t 1000 -s 10.0.1.1 -d 10.0.0.3 -p tcp --sport 1002 --dport 443 --state TIME_WAIT -m 42
-A -t 1000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 53 --dport 53 -m 1
-A -t 1000 -s 10.0.0.9 -d 10.0.0.2 -p udp --sport 500 --dport 4500 -w 7 -m 1
-A -t 1000 -s 10.0.0.10 -d 10.0.0.2 -p udp --sport 501 --dport 4500 --orig-zone 8 -m 1
-A -t 1000 -s 10.0.0.11 -d 10.0.0.2 -p udp --sport 502 --dport 4500 --reply-zone 9 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p udplite --sport 5 --dport 6 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 7 --dport 8 --state ESTABLISHED --orig-vtag 11 --reply-vtag 12 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 17 --dstkey 300 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 99 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p 200 -m 1
-A -t 1000 -u SEEN_REPLY -s 10.0.2.1 -d 10.0.0.2 -n 192.0.2.1:6000 -p tcp --sport 1003 --dport 80 --state ESTABLISHED -m 42
-A -t 1000 -u SEEN_REPLY -s 10.0.2.2 -d 10.0.0.2 -g 192.0.2.2:8080 -p tcp --sport 1004 --dport 80 --state ESTABLISHED -m 42
-A -t 1000 -u SEEN_REPLY,ASSURED -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 1005 --dport 80 --state ESTABLISHED -m 0xff00
-A -t 1000 -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 1006 --dport 53 -m 0xff00
-A -t 1000 -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 98 -m 0xff00
-A -t 1000 -u SEEN_REPLY -s 2001:db8:1::1 -d 2001:db8::2 -n 2001:db8:ffff::1 -p tcp --sport 1007 --dport 80 --state ESTABLISHED -m 0xff00
"""

LABELS = "0 zero\n1 bad-flow\n5 eth0-in\n200 high\n"

# What differs between any two runs: ids, seconds that pass, version, port ids. Once a line.
NORMAL = [(re.compile(pattern), to) for pattern, to in (
    (rb"( use=[0-9]+) id=[0-9]+", rb"\1 id=N"),
    (rb"conntrack v[0-9][0-9.]*", b"conntrack vN"),
    (rb"^((\[TIME\]\t)? *(\[[A-Z]+\] +)?(ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )(9[0-9][0-9]|1000) ",
     rb"\1T "),
    (rb"^((ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )(4[0-9][0-9]|500) ", rb"\1U "),
    (rb"-t (9[0-9][0-9]|1000) ", b"-t T "),
    (rb"<id>[0-9]+<", b"<id>N<"),
    (rb"<timeout>(9[0-9][0-9]|1000)<", b"<timeout>T<"),
    (rb"<deltatime>[0-9]+<", b"<deltatime>N<"),
    (rb"(portid=)[0-9]+", rb"\1N"),
    (rb"Version [0-9.]+", b"Version N"),
    (rb"use=[0-9]+", b"use=N"),
)]
# Lines of events: the cause may be gone before its name is looked up.
EVENTS = [(re.compile(pattern), to) for pattern, to in (
    (rb" progname=.*", b""),
    (rb"^\[[0-9]{8,}\.[0-9]{6}\]\t", b"[TIME]\t"),
    (rb"id=[0-9]{4,}", b"id=N"),
)]
SAVED_MARK = [(re.compile(rb"^(-[AU] .*) -m [0-9]+"), rb"\1")]
POWERLESS = re.compile(rb": --[a-z]+ needs CAP_NET_ADMIN, ")
POWERLESS_AS = [b"setpriv", b"--bounding-set=-net_admin", b"--inh-caps=-net_admin"]


def lines_of(data, *rules):
    """Lines of output with what differs between runs taken out."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for i, line in enumerate(lines):
        for rule in rules:
            for pattern, to in rule:
                line = pattern.sub(to, line, count=1)
        if line.startswith(b"cpu="):
            line = re.sub(rb"=[0-9]+ ", b"=N ", line)
        lines[i] = line
    return lines


def normal(data):
    return lines_of(data, NORMAL)


class Side:
    """One of the two tools in its namespace."""

    def __init__(self, tool, oracle, ns):
        self.tool, self.oracle = os.fsencode(tool), os.fsencode(oracle)
        self.pool = ThreadPoolExecutor(1, initializer=self.enter, initargs=(ns,))

    @staticmethod
    def enter(ns):
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/run/netns/" + ns, "rb") as f:
            if libc.setns(f.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def quiet(self, *words):
        return subprocess.run((self.oracle,) + words, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def table(self):
        out = subprocess.run((self.oracle, b"-L", b"-o", b"extended"), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return sorted(normal(out.stdout))

    def fill(self, paths):
        self.quiet(b"-F")
        for path in paths:
            done = self.quiet(b"-R", path)
            if done.returncode:
                return "cannot fill the table: " + os.fsdecode(done.stdout)
        return None

    def run(self, words, how):
        try:
            done = subprocess.run(how["as"] + [self.tool] + words, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20,
                                  check=False)
            status, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as e:
            status, out, err = 124, e.stdout or b"", e.stderr or b""
        if status < 0:
            status = 128 - status
        stderr = normal(err)
        if how["powerless"]:       # a line of ours after the same text
            stderr = [line for line in stderr if not POWERLESS.search(line)]
        return {"status": [b"exit status %d" % status],
                "stdout": sorted(lines_of(out, NORMAL, how["leave_out"])), "stderr": stderr,
                "table": how["filled"] if reads_only(words) else self.table()}

    # -- events --

    @staticmethod
    def listens():
        with open("/proc/thread-self/net/netlink", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return any(row[1] == "12" and int(row[3], 16) for row in rows)

    def make_events(self):
        how = b"-p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2".split()
        self.quiet(b"-I", *how, *b"-t 1000 -m 3".split())
        self.quiet(b"-U", *b"-f ipv4".split(), *how, *b"-m 4".split())
        self.quiet(b"-I", *b"-p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 3 --dport 4 -t 1000 "
                   b"--state ESTABLISHED".split())
        self.quiet(b"-D", *how)

    def watch(self, n_lines, words, path):
        """What the tool tells of events."""
        self.quiet(b"-F")
        with open(path + b".out", "w+b") as out, open(path + b".err", "w+b") as err:
            pid = subprocess.Popen([self.tool] + words, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=err)
            said = [] if wait_for(self.listens) else [b"does not listen"]
            self.make_events()
            if not wait_for(lambda: os.pread(out.fileno(), 1 << 20, 0).count(b"\n") >= n_lines):
                said.append(b"too few lines")
            pid.send_signal(signal.SIGTERM)
            status = pid.wait()
            out.seek(0)
            err.seek(0)
            return {"status": [b"exit status %d" % (status if status >= 0 else 128 - status)] + said,
                    "stdout": lines_of(out.read(), EVENTS, NORMAL), "stderr": normal(err.read()),
                    "table": []}


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def reads_only(words):
    """What only reads cannot have changed the table; -z sets counters to zero."""
    if b"-z" in words or any(b"--zero" in w for w in words):
        return False
    first = words[0] if words else b""
    return (re.match(rb"-[LGCSVh]", first) is not None or first.startswith(b"--count") or
            first in (b"--dump", b"--get", b"--stats", b"--version", b"--help"))


class Cases:
    def __init__(self, src, ours, theirs, tmp):
        self.src, self.tmp = src, os.fsencode(tmp)
        self.ours, self.theirs = ours, theirs
        self.filled, self.filled_at = None, -100.0
        self.ran = self.failed = 0
        with open(os.path.join(tmp, "labels"), "w", encoding="ascii") as f:
            f.write(LABELS)
        self.tables = [self.write_table(mark) for mark in (b"1", b"42", b"0xff00")]
        with open(os.path.join(src, "doc/DIFFERENCES.md"), encoding="utf-8") as f:
            self.differences = set(re.findall(r"^### ([a-z0-9-]+):", f.read(), re.M))

    def both(self, ours, theirs):
        """Two functions at once, each in its tool's thread; the results in this order."""
        jobs = (self.ours.pool.submit(*ours), self.theirs.pool.submit(*theirs))
        return tuple(job.result() for job in jobs)

    def write_table(self, mark):
        """The lines with this mark: the other tool gives all lines of a file the last one's."""
        path = self.tmp + b"/table." + mark
        with open(path, "wb") as f:
            f.writelines(line + b"\n" for line in TABLE.encode().splitlines()
                         if line.endswith(b" " + mark))
        return path

    def fill(self):
        if time.monotonic() - self.filled_at <= REFILL_S:
            return
        self.filled_at = time.monotonic()
        for failed in self.both((self.ours.fill, self.tables), (self.theirs.fill, self.tables)):
            if failed:
                sys.exit(failed)
        if self.filled:        # what that gave is known: each listing walks all buckets
            return
        ours, theirs = self.both((self.ours.table,), (self.theirs.table,))
        if ours != theirs or len(theirs) != TABLE.count("\n"):
            sys.exit("the two tables are not what they should be")
        self.filled = theirs

    def settle(self, *results):
        """Fill again before the next case, if this one changed anything."""
        if any(r["table"] != self.filled for r in results):
            self.filled_at = -100.0

    def how(self, prefix=b""):
        return {"as": POWERLESS_AS if prefix == b"powerless" else [],
                "powerless": prefix == b"powerless", "filled": self.filled,
                "leave_out": SAVED_MARK if prefix == b"saved" else []}

    def words(self, line):
        return re.findall(rb"[^ \t\n]+", line.replace(b"LABELS", self.tmp + b"/labels"))

    def fail(self, line, why, ours, theirs):
        self.failed += 1
        print("FAIL: conntrack %s: %s" % (os.fsdecode(line), why))
        for part in PARTS:
            for diff in difflib.unified_diff([os.fsdecode(x) for x in theirs[part]],
                                             [os.fsdecode(x) for x in ours[part]],
                                             "theirs: " + part, "ours: " + part, lineterm=""):
                print(diff)
        sys.stdout.flush()

    def run_both(self, ours, theirs, prefix=b""):
        self.fill()
        results = self.both((self.ours.run, self.words(ours), self.how(prefix)),
                            (self.theirs.run, self.words(theirs), self.how(prefix)))
        self.settle(*results)
        return results

    def one_case(self, kind, line, prefix):
        """same; text: standard error differs by intent; or the name of a difference."""
        ours, theirs = self.run_both(line, line, prefix)
        equal = [part for part in PARTS if ours[part] == theirs[part]]
        why = None
        if kind in (b"same", b"text"):
            needed = [p for p in PARTS if kind == b"same" or p != "stderr"]
            if not set(needed) <= set(equal):
                why = "differs from the other tool"
        elif kind.decode() not in self.differences:
            why = "doc/DIFFERENCES.md has no entry " + kind.decode()
        elif len(equal) == len(PARTS):
            why = "no longer differs, see " + kind.decode()
        if why:
            self.fail(line, why, ours, theirs)

    def as_case(self, line):
        """Ours and theirs are command lines that mean the same: `as|OURS|THEIRS'."""
        mine, _, other = line.partition(b"|")
        ours, theirs = self.run_both(mine, other)
        if ours != theirs:
            self.fail(mine, "differs from the other tool's " + os.fsdecode(other), ours, theirs)

    def expected_case(self, status, line, expected):
        """Only ours runs; stdout (<), stderr (!) and what the table loses (-) and gains (+)
        are the lines below the case."""
        self.fill()
        ours = self.ours.pool.submit(self.ours.run, self.words(line), self.how()).result()
        self.settle(ours)
        lost, gained = list(self.filled), []
        for entry in ours["table"]:
            if entry in lost:
                lost.remove(entry)
            else:
                gained.append(entry)
        ours["table"] = sorted([b"-" + e for e in lost] + [b"+" + e for e in gained])

        def marked(marks):
            return [x for x in expected if x[:1] in marks]
        theirs = {"status": [b"exit status " + status],
                  "stdout": sorted(x[1:] for x in marked((b"<",))),
                  "stderr": [x[1:] for x in marked((b"!",))],
                  "table": sorted(marked((b"-", b"+")))}
        if ours != theirs:
            self.fail(line, "is not what the case says", ours, theirs)

    def events_case(self, n_lines, line):
        self.filled_at = -100.0
        words = self.words(line)
        # The other tool's -U, which makes the events, meets an entry twice when its dump
        # begins again: once more then. What ours does wrong it does again.
        for _ in range(2):
            ours, theirs = self.both((self.ours.watch, n_lines, words, self.tmp + b"/ours"),
                                     (self.theirs.watch, n_lines, words, self.tmp + b"/theirs"))
            if ours == theirs and len(ours["status"]) == 1:
                break
        else:
            self.fail(line, "differs from the other tool", ours, theirs)

    def one(self, text, expected):
        kind, _, line = text.partition(b"|")
        before, found, lines = line.partition(b"LINES")
        if found:      # what follows, split at semicolons, is the content of a file
            with open(self.tmp + b"/lines", "wb") as f:
                f.write(lines[1:].replace(b";", b"\n") + b"\n")
            line = before + self.tmp + b"/lines"
        prefix, colon, rest = kind.partition(b":")
        kind, prefix = (rest, prefix) if colon else (kind, b"")
        self.ran += 1
        if kind.startswith(b"events"):
            self.events_case(int(kind[6:]), line)
        elif kind == b"as":
            self.as_case(line)
        elif kind.startswith(b"="):
            self.expected_case(kind[1:], line, expected)
        else:
            self.one_case(kind, line, prefix)

    def all(self, path, wanted):
        case, expected = None, []

        def end():
            if case and (not wanted or any(w in case.partition(b"|")[2] for w in wanted)):
                self.one(case, expected)
        with open(path, "rb") as f:
            for line in f.read().splitlines():
                if line[:1] in (b"<", b"!", b"+", b"-"):
                    expected.append(line.replace(b"TMP", self.tmp))
                    continue
                end()
                case, expected = (line if line and line[:1] != b"#" else None), []
        end()

    def check_differences(self, folder):
        shown = b""
        for name in os.listdir(folder):
            if name.startswith("cli_") and name.endswith(".cases"):
                with open(os.path.join(folder, name), "rb") as f:
                    shown += f.read()
        for name in sorted(self.differences):
            if not re.search(rb"^([a-z]+:)?" + name.encode() + rb"\|", shown, re.M):
                print("FAIL: doc/DIFFERENCES.md: no command line shows " + name)
                self.failed += 1


def main():
    src, cases, ours, theirs, tmp, ours_ns, theirs_ns = sys.argv[1:8]
    wanted = [os.fsencode(w) for w in sys.argv[8:]]
    folder = os.path.join(src, "tests/functional")
    c = Cases(src, Side(ours, theirs, ours_ns), Side(theirs, theirs, theirs_ns), tmp)
    c.all(os.path.join(folder, cases), wanted)
    if not wanted and cases == "cli_diff.cases":
        c.check_differences(folder)
    version = subprocess.run((theirs, "-V"), stdout=subprocess.PIPE, check=False, text=True)
    print("%d command lines, %d failed (the other tool: %s)" % (c.ran, c.failed,
                                                                 version.stdout.strip()))
    return 0 if c.ran and not c.failed else 1


sys.exit(main())
