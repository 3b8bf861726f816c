#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""figures.py [TREE]: what the code looks like from afar: lengths of functions and files,
tests beside sources. For this tree, or any other whose functions have their braces at
the left margin. Tests are what lies below a folder named test or tests."""
import pathlib
import statistics
import sys

LEFT_OUT = ('build', 'autom4te.cache', '.git')
SUFFIXES = ('.c', '.h', '.sh')


def sources(top):
    """(path, lines) of each C file, tests apart; scripts count among tests alone."""
    code, tests = [], []
    for path in sorted(p for p in top.rglob('*') if p.suffix in SUFFIXES and p.is_file()):
        parts = path.relative_to(top).parts
        if any(p.startswith(LEFT_OUT) for p in parts):
            continue
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
        is_test = any(p.lower() in ('test', 'tests', 'testing', 'fuzz') for p in parts[:-1])
        if is_test:
            tests.append((path, lines))
        elif path.suffix != '.sh':
            code.append((path, lines))
    return code, tests


def functions(lines):
    """Length of each function, from its head to its closing brace."""
    head = None
    for number, line in enumerate(lines):
        if line.startswith('{') and head is None:
            head = number
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].startswith(
                    ('}', '#', '/*', ' */', '//')):
                head -= 1
        elif line.startswith('}') and head is not None:
            yield number - head + 1
            head = None


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                       pathlib.Path(__file__).resolve().parent.parent.parent).resolve()
    code, tests = sources(top)
    units = [(p, lines) for p, lines in code if p.suffix == '.c']
    if not units:
        sys.exit(f'figures: no C sources in {top}')
    lengths = [(n, p) for p, lines in units for n in functions(lines)]
    if not lengths:
        sys.exit('figures: no functions with braces at the left margin')
    only = [n for n, _ in lengths]
    longest, where = max(lengths)
    n_code = sum(len(lines) for _, lines in code)
    n_tests = sum(len(lines) for _, lines in tests)
    over = [100 * sum(len(lines) > limit for _, lines in units) / len(units)
            for limit in (500, 1000)]
    print(f'functions                {len(only)}')
    print(f'  median / p90 lines     {statistics.median(only):.0f} / {percentile(only, 0.9)}')
    print(f'  longest                {longest} ({where.relative_to(top)})')
    print(f'  of 60 lines or less    {100 * sum(n <= 60 for n in only) / len(only):.1f} %')
    print(f'.c over 500 / 1000 lines {over[0]:.0f} / {over[1]:.0f} % of {len(units)}')
    print(f'sources, tests           {n_code}, {n_tests} lines')
    print(f'tests : sources          {n_tests / n_code:.2f}')


if __name__ == '__main__':
    main()
