#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# summary.sh BUILD...: what the test programs of these builds reported, in one line.
# Fails when a test failed or did not run at all (its program was not built, perhaps
# because configure missed a library); in CI, where root runs them, when one was
# skipped too. CTS_SUMMARY names the only ones that count.
set -u
unset MAKEFLAGS MFLAGS MAKELEVEL
passed=0 failed=0 skipped=0 absent=0

# The end of a test's log, indented.
show_log()
{
	tail -n 40 "$1.log" | sed 's/^/  | /'
}

for build in "$@"; do
	tests=${CTS_SUMMARY:-$(make -s --no-print-directory -C "$build" list-tests | grep '^tests/')}
	[ -n "$tests" ] || {
		echo "no list of tests in $build"
		absent=$((absent + 1))
		continue
	}
	for t in $tests; do
		case $(sed -n 's/^:global-test-result: //p' "$build/$t.trs" 2>/dev/null) in
		PASS) passed=$((passed + 1)) ;;
		SKIP) skipped=$((skipped + 1)); echo "skipped: $build/$t" ;;
		'') absent=$((absent + 1)); echo "not run: $build/$t" ;;
		*) failed=$((failed + 1)); echo "failed: $build/$t.log, its end:"; show_log "$build/$t" ;;
		esac
	done
done
line="$passed passed, $failed failed, $skipped skipped"
[ $absent -eq 0 ] || line="$line, $absent not run"
echo "$line"
[ $failed -eq 0 ] && [ $absent -eq 0 ] && [ $passed -gt 0 ] || exit 1
[ -z "${CI:-}" ] || [ $skipped -eq 0 ]
