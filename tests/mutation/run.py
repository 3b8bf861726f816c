#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutation tests: applies each edit of the lists (*.mut, see mutants.py) alone to a
copy of the tree, builds what its tests need and runs them. A mutant is killed when a
test fails or hangs, survives when all pass; equivalent ones stand in the lists with
the reason, are tried as well, and must survive.

Prints one line for each mutant and the share of killed ones among those that are not
equivalent; fails below --min, on a mutant that no longer fits the source, and on an
"equivalent" one that a test kills."""
import argparse
import collections
import concurrent.futures
import filecmp
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mutants as lists  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
SKIPPED = 77
# Slower than this many times the unchanged tree's time is a hang.
PATIENCE, PATIENCE_MIN = 5, 20


class Workplace:
    """A copy of the tree with a build of its own."""

    def __init__(self, root, configure):
        self.src, self.build, self.configure = root / 'src', root / 'build', configure
        self.env = dict(os.environ, CTS_BUILD=str(self.build), CTS_SRC=str(self.src),
                        CTS_PLUGIN_PATH=str(self.build / '.libs'), CCACHE_NOHASHDIR='1',
                        ASAN_OPTIONS='detect_leaks=1', LC_ALL='C')
        for name in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'CFLAGS'):
            self.env.pop(name, None)

    def update(self, mutated):
        """Copy what changed, so that an earlier build is still of use; what a run that
        was killed may have left mutated is built again."""
        self.src.mkdir(parents=True, exist_ok=True)
        copy_tree(TOP, self.src)
        for path in mutated:
            if (self.src / path).exists():
                (self.src / path).touch()
        self.build.mkdir(exist_ok=True)
        if not (self.build / 'Makefile').exists():
            self.run(['../src/configure', *self.configure])

    def run(self, command):
        done = subprocess.run(command, cwd=self.build, env=self.env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise lists.Error(f'{" ".join(command)}: {done.stdout[-2000:]}')

    def make(self, tests):
        programs = sorted({t[0] for t in tests if (TOP / t[0]).suffix == ''})
        self.run(['make', '-s', *programs])

    def test(self, command, timeout):
        """None: passed; else how it failed."""
        inside = [str(self.build / command[0]), *command[1:]]
        with subprocess.Popen(inside, cwd=self.build, env=self.env, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            try:
                status = p.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                return 'hangs'
        if status == SKIPPED:
            raise lists.Error(f'{command[0]} was skipped here: run this as root')
        return None if status == 0 else 'fails'


def copy_tree(top, to):
    skip = {p.parent.name for p in top.glob('*/config.status')} | {'.git', 'autom4te.cache'}
    for folder, names, files in os.walk(top):
        names[:] = [n for n in names if pathlib.Path(folder) != top or n not in skip]
        target = to / pathlib.Path(folder).relative_to(top)
        target.mkdir(exist_ok=True)
        for name in files:
            old, new = pathlib.Path(folder) / name, target / name
            if not new.exists() or not filecmp.cmp(old, new, shallow=False):
                shutil.copy2(old, new)
                os.utime(new)


class Run:
    def __init__(self, mutants, places):
        self.mutants, self.places = mutants, queue.SimpleQueue()
        self.limits = {}
        self.text = {m.path: (places[0].src / m.path).read_text(encoding='utf-8')
                     for m in mutants if (places[0].src / m.path).exists()}
        for place in places:
            self.places.put(place)

    def measure(self):
        """The unchanged tree must pass; how long it takes says what a hang is."""
        place = self.places.get()
        commands = {tuple(t) for m in self.mutants for t in m.tests}
        place.make(commands)
        for command in sorted(commands):
            began = time.monotonic()
            how = place.test(command, 600)
            if how:
                raise lists.Error(f'{" ".join(command)} {how} without any mutant')
            self.limits[command] = max(PATIENCE * (time.monotonic() - began), PATIENCE_MIN)
        self.places.put(place)

    def judge(self, mutant):
        """(kind, detail) of one mutant."""
        try:
            original = self.text[mutant.path]
            changed = mutant.apply(original)
        except lists.Error as e:
            return 'stale', str(e)
        except KeyError:
            return 'stale', f'{mutant.where}: there is no {mutant.path}'
        place = self.places.get()
        try:
            (place.src / mutant.path).write_text(changed, encoding='utf-8')
            return self.try_tests(place, mutant)
        finally:
            (place.src / mutant.path).write_text(original, encoding='utf-8')
            self.places.put(place)

    def try_tests(self, place, mutant):
        try:
            place.make(mutant.tests)
        except lists.Error as e:
            return 'stale', f'does not compile: {e}'
        for command in mutant.tests:
            how = place.test(command, self.limits[tuple(command)])
            if how:
                return 'killed', f'{command[0]} {how}'
        return ('equivalent' if mutant.reason else 'survived'), mutant.reason or ''

    def all(self, jobs):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for mutant, (kind, detail) in zip(self.mutants, pool.map(self.judge, self.mutants)):
                if kind == 'killed' and mutant.reason:
                    kind = 'not equivalent'
                print(f'{kind:10} {mutant}' + (f'  [{detail}]' if detail else ''), flush=True)
                yield mutant, kind


def summarize(results, least):
    """A table for each file; the exit status."""
    table = collections.defaultdict(collections.Counter)
    for mutant, kind in results:
        table[mutant.path][kind] += 1
        table['all'][kind] += 1
    status = 0
    print(f'\n{"":32} killed survived equivalent   killed of the others')
    for path in sorted(table, key=lambda p: (p == 'all', p)):
        n = table[path]
        others = n['killed'] + n['survived']
        share = 100 * n['killed'] / others if others else 0
        print(f'{path:32} {n["killed"]:6} {n["survived"]:8} {n["equivalent"]:10} {share:10.1f} %')
        if others and share < least:
            status = 1
    for kind in ('stale', 'not equivalent'):
        if table['all'][kind]:
            print(f'{table["all"][kind]} {kind}: mend the list')
            status = 1
    return status


def dry_run(mutants):
    stale = 0
    for m in mutants:
        try:
            m.apply((TOP / m.path).read_text(encoding='utf-8'))
        except (lists.Error, OSError) as e:
            print(f'stale: {e}')
            stale += 1
    print(f'{len(mutants) - stale} of {len(mutants)} mutants fit the sources')
    return 1 if stale else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('lists', nargs='*', help='names of lists (default: all of them)')
    p.add_argument('-C', '--dir', default='mutation', help='where the copies go, kept between runs')
    p.add_argument('-j', '--jobs', type=int, default=os.cpu_count())
    p.add_argument('-m', '--min', type=float, default=90, help='percent that must be killed')
    p.add_argument('-g', '--grep', default='', help='only mutants whose line has this text')
    p.add_argument('-n', '--dry-run', action='store_true', help='only see that each one fits')
    args = p.parse_args()

    names = args.lists or sorted(f.stem for f in HERE.glob('*.mut'))
    mutants = [m for n in names for m in lists.read(HERE / f'{n}.mut', f'{n}.mut')
               if args.grep in str(m)]
    if not mutants:
        raise lists.Error('no mutants')
    if args.dry_run:
        return dry_run(mutants)
    compiler = ['CC=ccache gcc'] if shutil.which('ccache') else []
    places = [Workplace(pathlib.Path(args.dir).resolve() / str(i),
                        ['--enable-sanitizers', 'CFLAGS=-O1 -g', *compiler])
              for i in range(args.jobs)]
    for place in places:
        place.update({m.path for m in mutants})
    run = Run(mutants, places)
    run.measure()
    return summarize(run.all(args.jobs), args.min)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except lists.Error as e:
        print(f'mutation: {e}', file=sys.stderr)
        sys.exit(2)
