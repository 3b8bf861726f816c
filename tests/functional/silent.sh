#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The link between the nodes is away for longer than purge_timeout, then the active node
# dies: what the other has of it is the only copy, and a takeover uses it and says how
# old it is. When the node comes back after all, they agree again.
. "$(dirname "$0")/lib.sh"
flows=250

not_in_sync()
{
	ask b --status >"$tmp/status"
	[ $? = 2 ]
}

two_nodes "purge_timeout = 1; dead_after_ms = 600;"
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 10 external_count b $flows || fail "b holds $(ask b -e | wc -l)"

ip -n "$prefix-a" link set sync0 down
if [ "$sync_transport" = cpg ]; then
	await 20 not_in_sync || fail "b has not noticed: $(cat "$tmp/status")"
else
	await 5 not_in_sync || fail "b has not noticed: $(cat "$tmp/status")"
fi
read -r -t 3 <> <(:) || :
external_count b $flows || fail "b has thrown away $(($flows - $(ask b -e | wc -l))) flows"
ask b --eligible >"$tmp/out" 2>&1 || fail "b could not take over: $(cat "$tmp/out")"
kill -9 $pid_a

ask b --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
grep -q "^$flows committed, .* $flows unconfirmed, .*a was last received from [0-9]* s ago" "$tmp/out" ||
	fail "promote: $(cat "$tmp/out")"
[ "$(in_ns b "$conntrack" -C)" = $flows ] || fail "b's kernel holds $(in_ns b "$conntrack" -C)"
grep -q "promote: $flows committed" "$tmp/b.log" || fail "not logged"
echo "after the silence: $(cat "$tmp/out")"
