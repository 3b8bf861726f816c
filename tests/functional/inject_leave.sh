#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# external_cache = false: a node dies with its kernel's table. Its flows are in the other
# one's kernel and become that one's own, so that the node gets them when it comes back
# empty, and before it says that it is in sync. When it comes back with its table they are
# its own alone again.
. "$(dirname "$0")/lib.sh"
flows=3000

kernel_count()
{
	[ "$(in_ns "$1" "$conntrack" -C)" = "$2" ]
}

internal_count()
{
	[ "$(ask "$1" -i | wc -l)" = "$2" ]
}

two_nodes 'external_cache = false; dead_after_ms = 800; purge_timeout = 1;'
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 10 kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C)"

# a's daemon alone dies and is started again: the flows are its own, and end with it
kill -9 $pid_a
await 15 internal_count b $flows || fail "b owns $(ask b -i | wc -l) of a's flows"
daemon a a
await 20 in_sync a && await 20 in_sync b || fail "not in sync after a restart: $(ask a --status)"
await 10 internal_count b 0 || fail "b still owns $(ask b -i | wc -l) of a's flows"
in_ns a "$build/bench/flowgen" delete 500 >/dev/null || fail "flowgen delete"
flows=$((flows - 500))
await 10 kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C) after the deletion"

# a dies
kill -9 $daemon_pid
await 15 internal_count b $flows || fail "b owns $(ask b -i | wc -l) of a's flows"
kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C)"
grep -q "inject: $flows flows of .* are this node's now" "$tmp/b.log" || fail "not logged"

# a comes back as after a reboot: another table, and an empty one
in_ns a "$conntrack" -F 2>/dev/null
kernel_count a 0 || fail "a's kernel holds $(in_ns a "$conntrack" -C)"
daemon a a
await 20 in_sync a || fail "a is not in sync: $(ask a --status)"
kernel_count a $flows || fail "in sync, with $(in_ns a "$conntrack" -C) of $flows flows"
kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C)"

echo "$flows flows went to the other node and back"
