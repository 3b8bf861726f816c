#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# update.sh [--check] MANOPTS PAGE...   put the options of the option tables between
# the lines `.\" options plugin NAME` (or `group NAME`) and `.\" end`, or see that
# they are there.
set -eu
check=no
[ "$1" = --check ] && { check=yes; shift; }
manopts=$1
shift
rc=0
for page; do
	new=$(mktemp)
	while IFS= read -r line; do
		case $line in
		'.\" options '*)
			printf '%s\n' "$line"
			# shellcheck disable=SC2086 # two words
			"$manopts" ${line#'.\" options '}
			skip=yes ;;
		'.\" end')
			printf '%s\n' "$line"
			skip=no ;;
		*)
			[ "${skip-no}" = yes ] || printf '%s\n' "$line" ;;
		esac
	done < "$page" > "$new"
	if [ $check = no ]; then
		cat "$new" > "$page"
	elif ! diff -u "$page" "$new"; then
		echo "$page: the options differ from the plugin's; run doc/man/update.sh" >&2
		rc=1
	fi
	rm -f "$new"
done
exit $rc
