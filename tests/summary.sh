#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# summary.sh BUILD...: what the test programs of these builds reported, in one line.
# Fails when a test failed; in CI, where root runs them, when one was skipped too.
set -u
passed=0 failed=0 skipped=0
for build in "$@"; do
	while read -r trs; do
		case $(sed -n 's/^:global-test-result: //p' "$trs") in
		PASS) passed=$((passed + 1)) ;;
		SKIP) skipped=$((skipped + 1)); echo "skipped: ${trs%.trs}" ;;
		*)
			failed=$((failed + 1))
			echo "failed: ${trs%.trs}.log, its end:"
			tail -n 40 "${trs%.trs}.log" | sed 's/^/  | /'
			;;
		esac
	done < <(find "$build" -name '*.trs' | sort)
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ] || exit 1
[ -z "${CI:-}" ] || [ $skipped -eq 0 ]
