#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A virtual machine goes back to a snapshot: its daemon is in the epoch that it was in and
# sends lower numbers than the other one has. It receives that, begins a new epoch and says
# why; soon both agree. Then a copy of it is started beside it, in the same epoch: it is
# named, stays out, and changes nothing of what the other one holds.
. "$(dirname "$0")/lib.sh"
flows=3000

# snapshot NS: a daemon whose random numbers at the start are those of the last one
snapshot()
{
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 SAME_RANDOM=64 LD_PRELOAD=$build/tests/functional/.libs/same_random.so daemon "$1" "$1"
}

wire a b c
wire_config one a
wire_config two b
wire_config one c
snapshot a
pid_a=$daemon_pid
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "not in sync"
# At a pace: many messages, so that the numbers are high.
in_ns a "$build/bench/flowgen" create $flows --pace 3000 >/dev/null || fail "flowgen"
await 10 agree || fail "b holds $(ask b -e | wc -l) of $flows flows"

# back to the snapshot, with a table that has changed meanwhile
kill -9 "$pid_a"
wait "$pid_a" 2>/dev/null
in_ns a "$build/bench/flowgen" delete 1000 >/dev/null || fail "flowgen delete"
snapshot a
pid_a=$daemon_pid
began=$SECONDS
await 10 in_sync a && await 10 in_sync b || fail "reverted, and not in sync: $(ask b --status)"
await 10 agree || fail "b holds $(ask b -e | wc -l) of $((flows - 1000)) flows"
took=$((SECONDS - began))
grep -q 'this node was reverted or cloned, a new epoch begins' "$tmp/a.log" ||
	fail "a does not say that it was reverted"

# a copy of it
await 10 eval 'ask a -s runtime | grep -qE "daemon uptime: .*([4-9]|[1-9][0-9]) s"' || fail "a has no uptime"
external_flows b >"$tmp/before"
in_ns c "$build/bench/flowgen" create 50 --base 900000 >/dev/null || fail "flowgen"
snapshot c
await 20 grep -qE 'a copy of this node is alive|was there first: this one stays out' "$tmp/c.log" ||
	fail "c does not say that there are two"
# Over corosync it receives from the other one before it has sent anything.
[ "$sync_transport" = cpg ] || await 20 grep -qE "this node's name|a copy of this node is alive" "$tmp/a.log" ||
	fail "a does not say that there is a copy of it"
await 20 grep -q 'was there first: this one stays out' "$tmp/c.log" || fail "c does not stay out"
await 10 in_sync b && await 10 in_sync a || fail "a and b are not in sync any more: $(ask b --status)"
external_flows b >"$tmp/after"
cmp "$tmp/before" "$tmp/after" || fail "the copy changed what b holds of a"
echo "reverted: in sync and equal after $took s; a copy of it stays out"
