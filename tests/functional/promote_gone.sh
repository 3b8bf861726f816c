#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A promote goes on when its client does not wait for the end of it: the node becomes
# active all the same, and its log says what came of it.
. "$(dirname "$0")/lib.sh"
flows=${FLOWS:-60000}

is_active()
{
	ask b --status | head -1 | grep -q 'role active$'
}

logged()
{
	grep -q "promote: $flows committed, 0 already there" "$tmp/b.log"
}

two_nodes "purge_timeout = 60;"
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 20 external_count b $flows || fail "b holds $(ask b -e | wc -l)"

ask b --promote --timeout 0.001 >"$tmp/out" 2>&1 && fail "it was done within a millisecond"
grep -q "it goes on" "$tmp/out" || fail "promote: $(cat "$tmp/out")"
await 20 is_active || fail "b did not become active: $(ask b --status)"
await 5 logged || fail "not logged"
[ "$(in_ns b "$conntrack" -C)" = $flows ] || fail "b's kernel holds $(in_ns b "$conntrack" -C)"
echo "$flows flows taken over, though nobody waited for it"
