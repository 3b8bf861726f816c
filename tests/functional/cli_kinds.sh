#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cli_diff.sh with the kinds of mistakes that were made once, each with all its siblings
CTS_CASES=cli_kinds.cases exec "$(dirname "$0")/cli_diff.sh" "$@"
