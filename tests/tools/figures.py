#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""figures.py [TREE...]: what the code looks like from afar: lengths of functions and files,
tests beside sources, as a table with a column for each tree. For this tree, or any other
whose functions have their braces at the left margin. Tests are what lies below a folder
named test or tests. Below the table stand the functions of the first tree that are longer
than 60 lines."""
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
    """Length and name of each function, from its head to its closing brace."""
    head = None
    for number, line in enumerate(lines):
        if line.startswith('{') and head is None:
            head = number
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].startswith(
                    ('}', '#', '/*', ' */', '//')):
                head -= 1
        elif line.startswith('}') and head is not None:
            text = ' '.join(lines[head:number])
            yield number - head + 1, text.partition('(')[0].split()[-1].lstrip('*')
            head = None


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


ROWS = ('function median / p90 lines', 'longest function', 'functions of 60 lines or less',
        '.c over 500 / over 1000 lines', 'tests : source lines')
LONG = 60


def figures(top):
    """The rows of the table, and (length, where) of what is long."""
    code, tests = sources(top)
    units = [(p, lines) for p, lines in code if p.suffix == '.c']
    if not units:
        sys.exit(f'figures: no C sources in {top}')
    lengths = [(n, name, p) for p, lines in units for n, name in functions(lines)]
    if not lengths:
        sys.exit('figures: no functions with braces at the left margin')
    only = [n for n, _, _ in lengths]
    over = [100 * sum(len(lines) > limit for _, lines in units) / len(units)
            for limit in (500, 1000)]
    n_code = sum(len(lines) for _, lines in code)
    n_tests = sum(len(lines) for _, lines in tests)
    long = [f'{p.relative_to(top)}: {name}: {n} lines' for n, name, p in sorted(lengths, reverse=True)
            if n > LONG]
    return (f'{statistics.median(only):.0f}/{percentile(only, 0.9)}', f'{max(only)}',
            f'{100 * sum(n <= LONG for n in only) / len(only):.1f} %', f'{over[0]:.0f} / {over[1]:.0f} %',
            f'{n_tests / n_code:.2f}'), long


def main():
    here = pathlib.Path(__file__).resolve().parent.parent.parent
    tops = [pathlib.Path(a).resolve() for a in sys.argv[1:]] or [here]
    columns = [figures(top) for top in tops]
    print('|', *['| ' + ('this tree' if top == here else top.name) for top in tops], '|')
    print('|' + '---|' * (len(tops) + 1))
    for i, row in enumerate(ROWS):
        print('|', row, *['| ' + c[0][i] for c in columns], '|')
    for line in columns[0][1]:
        print(line)


if __name__ == '__main__':
    main()
