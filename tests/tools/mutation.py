#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lists of mutants: where an edit goes, and what is said of one that fits nowhere; and
the runner's verdicts, with a tree and tests of cardboard."""
import os
import pathlib
import sys
import tempfile
import unittest

SRC = pathlib.Path(os.environ.get('CTS_SRC', pathlib.Path(__file__).parents[2]))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SRC / 'tests' / 'mutation'))
import mutants  # noqa: E402
import run  # noqa: E402

TEXT = '''/* take() is named here, and is not this. */
#define LIMIT (1 | \\
	2)

static const struct { int type; } table[] = {
	{ 1 }, { 2 },
};

static int take(int a,
		int b)
{
	if (a < b)
		return a;
	if (a < b)
		return b;
err:
	return 0;
}

static int other(void)
{
	return take(1, 2) < 3;
}
'''


def parse(lines):
    with tempfile.NamedTemporaryFile('w', suffix='.mut') as f:
        f.write('file a.c\ntests t\n' + lines)
        f.flush()
        return mutants.read(f.name, 'a.mut')


class Edits(unittest.TestCase):
    def apply(self, line):
        return parse(line + '\n')[0].apply(TEXT)

    def test_go_into_the_named_function(self):
        self.assertIn('return take(1, 2) > 3;', self.apply('other: < => >'))
        self.assertIn('return 1;', self.apply('take: return 0 => return 1'))

    def test_find_macros_and_tables(self):
        self.assertIn('#define LIMIT (3)', self.apply('LIMIT: 1 | \\ 2 => 3'))
        self.assertIn('{ 1 }, { 3 }', self.apply('table: { 2 } => { 3 }'))

    def test_span_line_ends(self):
        self.assertIn('err:', self.apply('take: if (a < b) return b; => '))
        self.assertNotIn('return b;', self.apply('take: if (a < b) return b; => '))

    def test_say_which_of_several(self):
        self.assertIn('if (a > b)\n\t\treturn b;', self.apply('take @2: a < b => a > b'))

    def test_that_fit_nowhere_are_errors(self):
        for line in ('take: a < b => a > b', 'take: a == b => 0', 'take @3: a < b => 0',
                     'nowhere: a => b'):
            with self.assertRaises(mutants.Error):
                self.apply(line)

    def test_lists_are_checked(self):
        self.assertEqual(parse('# no\n\ntake: a => b\n\tequivalent: because\n')[0].reason, 'because')
        for text in ('take a => b\n', 'take: a\n'):
            with self.assertRaises(mutants.Error):
                parse(text)


class Place:
    """Builds nothing; each test is a function of the mutated text."""

    def __init__(self, folder):
        self.src = pathlib.Path(folder)
        (self.src / 'a.c').write_text(TEXT)

    def make(self, tests):
        if 'broken' in (self.src / 'a.c').read_text():
            raise mutants.Error('syntax')

    def test(self, command, timeout):
        return 'fails' if '> b' in (self.src / 'a.c').read_text() else None


class Verdicts(unittest.TestCase):
    def judge(self, line):
        with tempfile.TemporaryDirectory() as folder:
            place, mutant = Place(folder), parse(line)[0]
            r = run.Run([mutant], [place])
            r.limits = {('t',): 1}
            kind, _ = r.judge(mutant)
            self.assertEqual((place.src / 'a.c').read_text(), TEXT)   # as it was
            return kind

    def test_each_has_its_kind(self):
        self.assertEqual(self.judge('take @1: a < b => a > b\n'), 'killed')
        self.assertEqual(self.judge('take @1: a < b => a <= b\n'), 'survived')
        self.assertEqual(self.judge('take @1: a < b => a <= b\n\tequivalent: x\n'), 'equivalent')
        self.assertEqual(self.judge('take: nothing => b\n'), 'stale')
        self.assertEqual(self.judge('take: return 0 => broken\n'), 'stale')

    def test_the_share_decides(self):
        m = parse('take @1: a < b => a > b\n')[0]
        killed, survived = (m, 'killed'), (m, 'survived')
        with open(os.devnull, 'w', encoding='utf-8') as sys.stdout:
            self.assertEqual(run.summarize([killed] * 9 + [survived], 90), 0)
            self.assertEqual(run.summarize([killed] * 8 + [survived] * 2, 90), 1)
            self.assertEqual(run.summarize([killed, (m, 'stale')], 90), 1)
            self.assertEqual(run.summarize([killed, (m, 'not equivalent')], 90), 1)
            self.assertEqual(run.summarize([killed, (m, 'equivalent')], 90), 0)
        sys.stdout = sys.__stdout__


if __name__ == '__main__':
    unittest.main()
