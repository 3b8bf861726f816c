#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Coverage of our sources by unit tests, fuzzers and the simulation: a table of lines
and branches for each folder. Builds everything with --coverage in DIR.

    coverage.py                    the table
    coverage.py --files            the same for each file
    coverage.py --missed PATH      the branches of one file that no test takes
    coverage.py --scenarios        tests/functional as well (root, some minutes)"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = ('core', 'plugins', 'cli')
SIM = [['tests/sim/sim', '--seeds', '1-60'], ['tests/sim/sim_small', '--seeds', '1-120']]


def run(command, build, **more):
    env = dict(os.environ, CTS_BUILD=str(build), CTS_SRC=str(TOP), LC_ALL='C',
               CTS_PLUGIN_PATH=str(build / '.libs'))
    for name in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL'):
        env.pop(name, None)
    return subprocess.run(command, cwd=build, env=env, text=True, **more)


def must(command, build, **more):
    done = run(command, build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        sys.exit(f'coverage: {" ".join(command)}:\n{done.stdout[-3000:]}')
    return done.stdout


def prepare(build):
    build.mkdir(parents=True, exist_ok=True)
    if not (build / 'Makefile').exists():
        compiler = ['CC=ccache gcc'] if shutil.which('ccache') else []
        must([str(TOP / 'configure'), 'CFLAGS=-O0 -g --coverage', 'LDFLAGS=--coverage', *compiler],
             build)
    # gcovr stumbles over what an earlier state of the tree left: all is built again
    must(['make', '-s', 'clean'], build)
    for old in [*build.rglob('*.gcno'), *build.rglob('*.gcda')]:
        old.unlink()
    must(['make', '-s', '-k', f'-j{os.cpu_count()}', 'check', 'TESTS='], build)


def run_tests(build, scenarios):
    """Names of those that failed; skipped ones are said."""
    names = [n for n in must(['make', '-s', 'list-tests'], build).split() if n.startswith('tests/')]
    programs = [[n] for n in names if '.' not in n] + SIM
    if scenarios:
        programs += [[str(TOP / n)] for n in names if n.endswith('.sh')]
    failed = []
    for command in programs:
        path = command[0] if command[0].startswith('/') else str(build / command[0])
        done = run([path, *command[1:]], build, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
        if done.returncode == 77:
            print(f'skipped: {command[0]}')
        elif done.returncode:
            failed.append(command[0])
    return failed


def collect(build):
    """{path: (lines, hit, branches, taken, missed)} by gcovr."""
    filters = [word for folder in SOURCES for word in ('--filter', f'{TOP}/{folder}/')]
    text = must(['gcovr', '-r', str(TOP), '--json', '--exclude-unreachable-branches', *filters,
                 '--object-directory', str(build), '--gcov-ignore-parse-errors',
                 str(build), '-o', 'coverage.json'], build)
    found = {}
    for f in json.loads((build / 'coverage.json').read_text(encoding='utf-8'))['files']:
        if not f['file'].startswith(SOURCES) or not f['file'].endswith('.c'):
            continue
        lines = [x for x in f['lines'] if not x.get('gcovr/noncode')]
        branches = [(x['line_number'], b['count']) for x in lines for b in x['branches']]
        missed = collections.Counter(n for n, count in branches if not count)
        found[f['file']] = (len(lines), sum(x['count'] > 0 for x in lines), len(branches),
                            sum(count > 0 for n, count in branches), missed)
    if not found:
        sys.exit(f'coverage: no sources in what gcovr says: {text}')
    return found


def percent(part, whole):
    return f'{100 * part / whole:5.1f}' if whole else '    -'


def show_table(found, by_file):
    table = collections.defaultdict(lambda: [0, 0, 0, 0])
    for path, numbers in found.items():
        for key in (path if by_file else str(pathlib.Path(path).parent), '  all'):
            for i in range(4):
                table[key][i] += numbers[i]
    print(f'{"":36} {"lines":>7} {"%":>5} {"branches":>9} {"%":>5}')
    for key in sorted(table, key=lambda k: (k == '  all', k)):
        lines, hit, branches, taken = table[key]
        print(f'{key.strip():36} {lines:7} {percent(hit, lines)} {branches:9} '
              f'{percent(taken, branches)}')


def show_missed(found, path):
    text = (TOP / path).read_text(encoding='utf-8').splitlines()
    for line, count in sorted(found[path][4].items()):
        print(f'{path}:{line}: {count} not taken: {text[line - 1].strip()}')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('-C', '--dir', default='coverage', help='the build (default: coverage)')
    p.add_argument('--files', action='store_true', help='a line for each file')
    p.add_argument('--missed', metavar='PATH', action='append', default=[])
    p.add_argument('--scenarios', action='store_true')
    p.add_argument('--no-run', action='store_true', help='show the last run again')
    args = p.parse_args()
    build, failed = pathlib.Path(args.dir).resolve(), []

    if not shutil.which('gcovr'):
        sys.exit('coverage: gcovr is missing (apt-get install gcovr)')
    if not args.no_run:
        prepare(build)
        failed = run_tests(build, args.scenarios)
    found = collect(build)
    for path in args.missed:
        show_missed(found, path)
    if not args.missed:
        show_table(found, args.files)
    for name in failed:
        print(f'failed: {name}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
