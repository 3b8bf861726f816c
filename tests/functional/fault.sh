#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Both daemons speak over a line that loses a fifth of the messages and doubles, damages
# and shuffles others, under churn: afterwards the caches agree.
. "$(dirname "$0")/lib.sh"
seconds=${FAULT_SECONDS:-5}

counter()
{
	ask "$1" -s network | awk -v what="$2" 'index($0, what) { print $NF; exit }'
}

ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
config a 10.9.0.1 10.9.0.2 sync0
config b 10.9.0.2 10.9.0.1 sync0
faults='drop = 200; duplicate = 50; reorder = 100; corrupt = 20; delay_ms = 2'
sed -i "s/plugin = \"udp\";/plugin = \"fault\"; $faults; seed = 1;/" "$tmp/a.cfg"
sed -i "s/plugin = \"udp\";/plugin = \"fault\"; $faults; seed = 2;/" "$tmp/b.cfg"
daemon a a
daemon b b
await 30 in_sync a && await 30 in_sync b || fail "the nodes did not get in sync"
in_ns a "$build/bench/flowgen" churn $((seconds * 2500)) --pace 5000 --window 3000 >"$tmp/gen" ||
	fail "flowgen"
await 60 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
for n in a b; do
	lost=$(ask $n --status --json | awk -F'[ ,:]+' '/"sent_errors"/ { print $3; exit }')
	[ "${lost:-0}" -ge 10 ] || fail "$n lost ${lost:-0} messages: the line was too good"
done
malformed=$(counter b "Malformed messages")
[ "${malformed:-0}" -ge 1 ] || fail "b saw no damaged message"
await 60 in_sync a && await 60 in_sync b || fail "not in sync again: $(ask a --status)"
echo "caches agree after $seconds s over a bad line, $malformed damaged: $(cat "$tmp/gen")"
