#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# external_cache = false: what a's kernel holds, b's kernel holds at once, without a
# commit; what goes there, goes here; what would run out here while it lives there is
# armed again.
. "$(dirname "$0")/lib.sh"
flows=2000
short=(-p udp -s 192.0.2.1 -d 198.51.100.2 --sport 4000 --dport 53)

kernel_count()
{
	[ "$(in_ns "$1" "$conntrack" -C)" = "$2" ]
}

# b's kernel as a's; counters and ages aside
kernels_agree()
{
	kernel_flows a >"$tmp/ka" && kernel_flows b >"$tmp/kb" && cmp "$tmp/ka" "$tmp/kb"
}

timeout_of_short()
{
	in_ns b "$conntrack" -L "${short[@]}" 2>/dev/null | awk '{ print $3 }'
}

armed_again()
{
	local t
	t=$(timeout_of_short)
	[ "${t:-0}" -gt 15 ]
}

# with a timeout of 12 seconds in b's kernel alone
cut_down()
{
	in_ns b "$conntrack" -U "${short[@]}" --timeout 12 && [ "$(timeout_of_short)" -le 12 ]
}

two_nodes 'external_cache = false;'
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen create"
await 10 kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C) of $flows"
await 5 kernels_agree || fail "kernels differ: $(diff "$tmp/ka" "$tmp/kb" | head -4)"

in_ns a "$build/bench/flowgen" mark 500 --mark 9 >/dev/null || fail "flowgen mark"
await 10 kernels_agree || fail "marks differ: $(diff "$tmp/ka" "$tmp/kb" | head -4)"
[ "$(grep -c mark=9 "$tmp/kb")" = 500 ] || fail "$(grep -c mark=9 "$tmp/kb") of 500 marks"

in_ns a "$build/bench/flowgen" delete 1500 >/dev/null || fail "flowgen delete"
await 10 kernel_count b $((flows - 1500)) ||
	fail "b's kernel holds $(in_ns b "$conntrack" -C) after the deletion"
kernel_count a $((flows - 1500)) || fail "a's kernel: $(in_ns a "$conntrack" -C)"

# a short one: cut down in b's kernel alone, as if its packets only went through a
in_ns a "$conntrack" -I "${short[@]}" --timeout 50 >/dev/null 2>&1 || fail "conntrack -I"
await 5 kernel_count b $((flows - 1499)) || fail "the short flow did not come"
await 3 cut_down || fail "not cut down: $(cat "$tmp/await")"
await 14 armed_again || fail "not armed again: $(timeout_of_short) seconds left"

# nothing bounces back: a does not hold b's copies as b's flows
[ "$(ask b -i | wc -l)" = 0 ] || fail "b claims $(ask b -i | wc -l) flows of a"
await 10 in_sync a && await 10 in_sync b || fail "not in sync"
echo "kernel to kernel: $flows created, 500 marked, 1500 deleted, one armed again"
