#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tidy.sh SRCDIR [FILE...]: clang-tidy with the tree's .clang-tidy, and cppcheck, over
# our sources (not the tests), in a build folder that has compile_commands.json. Prints
# findings; fails when there is one. TIDY=cppcheck leaves out clang-tidy, which takes
# minutes, and questions of style.
set -u
src=$(cd "$1" && pwd)
shift
status=0
jobs=${TIDY_JOBS:-$(nproc)}
kinds=warning,portability,performance
[ "${TIDY:-}" = cppcheck ] || kinds=$kinds,style

# No inline suppressions but for what the list says, each with its reason.
run_cppcheck()
{
	cppcheck --project=compile_commands.json --enable=$kinds \
		--std=c11 --quiet --error-exitcode=1 -j"$jobs" -i"$src/tests" -i"$src/bench" \
		--suppressions-list="$src/tests/tools/cppcheck.suppress" \
		--template='{file}:{line}: {id}: {message}' "$@" || status=1
}

run_clang_tidy()
{
	local files=("$@")

	[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find "$src/core" "$src/plugins" "$src/cli" -name '*.c' | sort)
	printf '%s\n' "${files[@]}" |
		xargs -P"$jobs" -n4 clang-tidy --quiet --warnings-as-errors='*' -p . 2>/dev/null ||
		status=1
}

for tool in cppcheck ${TIDY:-clang-tidy}; do
	command -v $tool >/dev/null || { echo "tidy: $tool is missing"; exit 1; }
done
run_cppcheck $([ $# -eq 0 ] || printf -- '--file-filter=*%s ' "$@")
[ "${TIDY:-}" = cppcheck ] || run_clang_tidy "$@"
exit $status
