#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The active node hands over while both are well: whichever of demote and promote comes
# first, no flow is lost on the way. Without a successor they leave in the end.
. "$(dirname "$0")/lib.sh"
flows=300

kernel_count()
{
	[ "$(in_ns "$1" "$conntrack" -C)" = "$2" ]
}

role()
{
	ask "$1" --status | head -1 | grep -q "role $2\$"
}

two_nodes "purge_timeout = 20;"
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 10 external_count b $flows || fail "b holds $(ask b -e | wc -l)"

ask a --demote >"$tmp/out" || fail "demote: $(cat "$tmp/out")"
grep -q "^0 flows removed, $flows wait" "$tmp/out" || fail "demote first: $(cat "$tmp/out")"
role a standby || fail "a after demote: $(ask a --status)"
external_count b $flows || fail "b has lost what a handed over: $(ask b -e | wc -l)"
ask b --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
kernel_count b $flows || fail "b's kernel holds $(in_ns b "$conntrack" -C) of $flows"
await 10 kernel_count a 0 || fail "a's kernel still holds $(in_ns a "$conntrack" -C)"
await 10 external_count a $flows || fail "a knows $(ask a -e | wc -l) of b's flows"
kernel_count b $flows || fail "b's kernel has lost flows that a gave up"

# and back, the other way round
ask a --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
kernel_count a $flows || fail "a's kernel holds $(in_ns a "$conntrack" -C) of $flows"
await 10 external_count b $flows || fail "b knows $(ask b -e | wc -l) of a's flows"
ask b --demote >"$tmp/out" || fail "demote: $(cat "$tmp/out")"
grep -q "^$flows flows removed, 0 wait" "$tmp/out" || fail "demote last: $(cat "$tmp/out")"
kernel_count b 0 || fail "b's kernel still holds $(in_ns b "$conntrack" -C)"
kernel_count a $flows || fail "a's kernel has lost flows that b gave up"

# nobody takes over
ask b -k || fail "-k"
sed -i 's/purge_timeout = 20/purge_timeout = 3/' "$tmp/a.cfg"
ask a -k && daemon a a || fail "a does not start again"
await 5 grep -q "table is read: $flows flows" "$tmp/a.log" || fail "a has not read its table"
ask a --demote >"$tmp/out" || fail "demote: $(cat "$tmp/out")"
kernel_count a $flows || fail "flows left at once"
await 10 kernel_count a 0 || fail "flows that nobody took stay for ever"
echo "$flows flows handed over, back, and given up"
