#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A third machine comes up under the name of a node that is alive. It stays out and says
# why, the node that has the name goes on, and the other one says that there are two.
. "$(dirname "$0")/lib.sh"

wire a b c
i=0
for n in a b c; do
	i=$((i + 1))
	in_ns $n "$build/bench/flowgen" create 50 --base $((i * 1000)) >/dev/null || fail "flowgen"
done
wire_config one a
wire_config two b
wire_config one c
daemon a a
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "not in sync"
external_flows b >"$tmp/before"
# Uptimes are compared in seconds: the newcomer is to be one.
await 10 eval 'ask a -s runtime | grep -qE "daemon uptime: .*([4-9]|[1-9][0-9]) s"' || fail "a has no uptime"

daemon c c
await 20 grep -q 'was there first: this one stays out' "$tmp/c.log" || fail "c does not say that it stays out"
# Over corosync it receives from the other one before it has sent anything.
[ "$sync_transport" = cpg ] || await 20 grep -q "this node's name" "$tmp/a.log" || fail "a does not say that its name is taken"
in_sync c && fail "c says that it is in sync"
await 10 in_sync b && await 10 in_sync a || fail "a and b are not in sync any more: $(ask b --status)"
external_flows b >"$tmp/after"
cmp "$tmp/before" "$tmp/after" || fail "the newcomer changed what b holds of a"

# The older one goes: then the name is free.
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
await 30 in_sync c || fail "c does not take the name that is free: $(ask c --status)"
echo "two nodes of one name: the newcomer stays out, then takes it"
