#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack against Debian's: each command line of cli_diff.cases runs through
# both, in two namespaces with the same table; standard output, exit status,
# standard error and the table afterwards are compared. Intended differences are
# named in doc/DIFFERENCES.md; one that is not there any more is a failure too. Where the
# distribution's release is wrong, the case itself says what is right: `as' compares with
# another command line of the other tool, `=STATUS' with texts that stand below it.
#
#   cli_diff.sh [WORD...]   only cases that contain one of the words
#   CTS_CASES=FILE          these cases instead of cli_diff.cases
#   ORACLE=PATH             the other tool; else the installed one, else the
#                           distribution's package is fetched
set -u
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
cases=${CTS_CASES:-cli_diff.cases}
theirs_ns=cts-dt-$$
ours_ns=cts-do-$$
other_ns="$theirs_ns $ours_ns"
. "$src/tests/functional/cli_oracle.sh"

command -v python3 >/dev/null || skip "no python3"
ip netns add "$theirs_ns" 2>/dev/null || skip "no network namespaces"
ip netns add "$ours_ns" || skip "no second network namespace"
python3 "$src/tests/functional/cli_diff.py" "$src" "$cases" "$ours" "$oracle" "$tmp" "$ours_ns" \
	"$theirs_ns" "$@"
