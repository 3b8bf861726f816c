# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists of mutants: single edits by hand, found by function and text.

    file core/kernel/restore.c
    tests tests/unit/test_kernel_restore
    tests tests/sim/sim --seeds 100
    after_create: case EEXIST: => case ENOENT:
    after_create @2: return => (void)
        equivalent: why nobody can tell the difference

The name before the colon is that of a function, table or macro; the text after it
stands in there once, or @N says which one is meant. Blanks and line ends in it match
any others. Nothing after the arrow: the text is dropped.
"""
import re

MUTANT = re.compile(r'(?P<scope>\w+)(?: @(?P<nth>\d+))?: (?P<old>.*\S)\s+=>(?: (?P<new>.*))?$')
EQUIVALENT = re.compile(r'\s+equivalent: (.+)')
# What begins at the left margin without being a definition of its own.
INSIDE = re.compile(r'[\s{}]|\w+:|$')


class Error(Exception):
    pass


class Mutant:
    def __init__(self, path, tests, where, scope, nth, old, new):
        self.path, self.tests, self.where = path, tests, where
        self.scope, self.nth, self.old, self.new = scope, nth, old, new
        self.reason = None  # why it is equivalent

    def __str__(self):
        nth = f' @{self.nth}' if self.nth > 1 else ''
        return f'{self.path}: {self.scope}{nth}: {self.old} => {self.new}'.rstrip()

    def apply(self, text):
        """The text with this edit in it."""
        found = [m for begin, end in chunks(text, self.scope)
                 for m in re.compile(pattern(self.old)).finditer(text, begin, end)]
        if not found:
            raise Error(f'{self.where}: not found: {self}')
        if self.nth == 0 and len(found) > 1:
            raise Error(f'{self.where}: found {len(found)} times, say which (@N): {self}')
        if self.nth > len(found):
            raise Error(f'{self.where}: found only {len(found)} times: {self}')
        m = found[max(self.nth, 1) - 1]
        return text[:m.start()] + self.new + text[m.end():]


def pattern(old):
    """A regular expression for old where any blanks match any others."""
    parts = [re.escape(word) for word in old.split()]
    return r'\s+'.join(parts)


def chunks(text, scope):
    """Begin and end of the definitions whose head names scope."""
    lines = text.splitlines(keepends=True)
    starts, at = [], 0
    for line in lines:
        if not INSIDE.match(line):
            starts.append(at)
        at += len(line)
    starts.append(at)
    name = re.compile(rf'\b{re.escape(scope)}\b')
    for begin, end in zip(starts, starts[1:]):
        head = re.split(r'[{;]\s*\n', text[begin:end], maxsplit=1)[0]
        # a table whose members are declared before its name: } name[] = {
        head += ' '.join(re.findall(r'^}(.*)', text[begin:end], re.MULTILINE))
        if not head.startswith('/*') and name.search(head):
            yield begin, end


def read(filename, shown):
    """The mutants of one list."""
    mutants, path, tests = [], None, []
    with open(filename, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line, where = line.rstrip('\n'), f'{shown}:{number}'
            equivalent, mutant = EQUIVALENT.match(line), MUTANT.match(line)
            if not line.strip() or line.startswith('#'):
                continue
            if line.startswith('file '):
                path, tests = line[5:].strip(), []
            elif line.startswith('tests '):
                tests.append(line[6:].split())
            elif equivalent and mutants:
                mutants[-1].reason = equivalent[1]
            elif mutant and path and tests:
                mutants.append(Mutant(path, tests, where, mutant['scope'],
                                      int(mutant['nth'] or 0), mutant['old'],
                                      mutant['new'] or ''))
            else:
                raise Error(f'{where}: not understood: {line}')
    return mutants
