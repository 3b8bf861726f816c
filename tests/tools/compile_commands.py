#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""compile_commands.py SRCDIR FOLDER... <FLAGS >compile_commands.json

For clangd, clang-tidy and cppcheck: every source is compiled with the same command,
whose words come from make on the standard input. Modules that a test compiles with
names of their own (-D) are left out."""
import json
import os
import pathlib
import shlex
import sys

LEFT_OUT = {'tests/unit/loader_module.c'}


def main():
    top, folders = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    command = shlex.split(sys.stdin.read())
    while os.path.basename(command[0]) == 'ccache':
        command.pop(0)
    sources = sorted(p for f in folders for p in (top / f).rglob('*.c')
                     if str(p.relative_to(top)) not in LEFT_OUT)
    json.dump([{'directory': os.getcwd(), 'file': str(p),
                'command': shlex.join([*command, '-c', str(p)])} for p in sources], sys.stdout, indent=1)
    print()


if __name__ == '__main__':
    main()
