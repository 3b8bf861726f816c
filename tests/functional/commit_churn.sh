#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A large commit while new flows are made on the same kernel: the daemon does not
# receive NEW events meanwhile, so they must come with the dump that follows, and what
# is new after it must be reported at once.
. "$(dirname "$0")/lib.sh"

mirrored()
{
	kernel_flows b >"$tmp/k" && internal_flows b >"$tmp/i" && cmp "$tmp/k" "$tmp/i"
}

reported()
{
	internal_flows b | grep -q "src=192.0.2.77 "
}

two_nodes 'purge_timeout = 600;'
in_ns a "$build/bench/flowgen" create 20000 >/dev/null || fail "flowgen"
await 20 external_count b 20000 || fail "not replicated"
kill -9 "$pid_a"
wait "$pid_a" 2>/dev/null

in_ns b "$build/bench/flowgen" create 3000 --base 600000 --pace 5000 >/dev/null &
gen=$!
ask b -c || fail "commit"
wait $gen || fail "flowgen beside the commit"
await 10 mirrored || fail "b's cache is not b's kernel: $(diff "$tmp/k" "$tmp/i" | head -3)"
[ "$(wc -l <"$tmp/k")" = 23000 ] || fail "$(wc -l <"$tmp/k") flows in the kernel, not 23000"

in_ns b "$conntrack" -I -p udp -s 192.0.2.77 -d 198.51.100.1 --sport 1 --dport 2 -t 600 2>/dev/null ||
	fail "conntrack -I"
await 2 reported || fail "a new flow after the commit is not reported"
echo "20000 flows committed beside 3000 new ones: all known"
