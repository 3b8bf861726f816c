#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With standard output closed or a full disk the work is done all the same, and the status
# tells that printing failed; with timestamps on, nothing is printed without a clock.
set -u
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$src/tests/functional/cli_oracle.sh"
failed=0

fail() { echo "FAIL: $*"; cat "$tmp/err"; failed=1; }
ct() { ip netns exec "$ns" "$ours" "$@" 2>"$tmp/err"; }
entry() { echo "-t 1000 -s 10.0.0.1 -d 10.0.0.2 -p udp --sport $1 --dport 2"; }
# shellcheck disable=SC2046
add() { ct -A $(entry "$1"); }
# status, entries and marks that remain
is() {
	local status=$?

	[ "$status" = "$1" ] || fail "$2 ends with $status, not $1"
	[ "$(ct -C)" = "$3" ] || fail "after $2 there are $(ct -C) entries, not $3"
}

ip netns add "$ns" 2>/dev/null || skip "no network namespaces"
for out in closed full; do
	[ $out = closed ] && to() { "$@" >&-; } || to() { "$@" >/dev/full; }
	# shellcheck disable=SC2046
	to ct -I $(entry 1)
	is 0 "-I, $out" 1
	add 2
	to ct -L
	is 1 "-L, $out" 2
	to ct -U -p udp --sport 1 -m 7
	is 1 "-U, $out" 2
	[ "$(ct -L -m 7 | wc -l)" = 1 ] || fail "-U, $out, set no mark"
	to ct -U -p udp --sport 1 -m 7 2>/dev/null
	grep -q '1 flow entries have been updated' "$tmp/err" || fail "-U, $out, does not tell"
	# shellcheck disable=SC2046
	to ct -G $(entry 1 | sed 's/-t 1000//')
	is 1 "-G, $out" 2
	to ct -D -p udp --sport 1
	is 1 "-D, $out" 1
	echo "-D -p udp --sport 2" >"$tmp/lines"
	to ct -R "$tmp/lines"
	is 1 "-R, $out" 0
	add 3
	to ct -F
	is 0 "-F, $out" 0
done
# every descriptor closed: no socket may take the place of one
add 4
ct -D -p udp --sport 4 <&- >&- 2>&-
is 1 "-D, all closed" 0

# a clock: of what starts now, some seconds have passed at most
ip netns exec "$ns" sysctl -qw net.netfilter.nf_conntrack_timestamp=1
add 5
key=$(entry 5 | sed 's/-t 1000//')
echo "-U $key -m 9" >"$tmp/update"
echo "-D $key" >"$tmp/delete"
clocked() { # pattern, words...
	local pattern=$1 got
	shift
	got=$(ct "$@")
	[[ $got =~ $pattern ]] || fail "$* shows $got"
}
text='delta-time=[0-9]{1,3} '
xml='<deltatime>[0-9]{1,3}</deltatime>'
# shellcheck disable=SC2086
{
	clocked "$text" -L
	clocked "$text" -G $key
	clocked "$text" -U $key -m 3
	clocked "$text" -U $key -m 3
	clocked "$text" -U $key -m 4 --dry-run
	clocked "$xml" -L -o xml
	clocked "$xml" -G $key -o xml
	clocked "$xml" -U $key -m 5 -o xml
	clocked "$xml" -U $key -m 6 -o xml --dry-run
	clocked "$text" -R "$tmp/update"
	clocked "$text" -D $key --dry-run
	clocked '"start_ns":[0-9]{19}' -G $key -o json
	clocked "$text" -R "$tmp/delete"
	add 5
	clocked "$xml" -D $key -o xml
}
exit $failed
