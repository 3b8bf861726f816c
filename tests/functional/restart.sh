#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 and restart of either daemon under churn; then a reboot of the owner, whose
# empty table must not make the other forget.
. "$(dirname "$0")/lib.sh"

external_count_over()
{
	[ "$(ask "$1" -e | wc -l)" -gt "$2" ]
}

gone()
{
	! ip netns list | grep -qw "$prefix-$1"
}

two_nodes
in_ns a "$build/bench/flowgen" create 2000 --base 500000 >/dev/null || fail "flowgen"
ip netns exec "$prefix-a" "$build/bench/flowgen" churn 40000 --pace 5000 --window 2000 >"$tmp/gen" &
gen=$!
pids+=($gen)
await 5 external_count_over b 3000 || fail "no flows came"
kill -9 "$pid_b"
wait "$pid_b" 2>/dev/null
daemon b b
pid_b=$daemon_pid
await 10 external_count_over b 3000 || fail "b did not come back"
kill -9 "$pid_a"
wait "$pid_a" 2>/dev/null
daemon a a
pid_a=$daemon_pid
wait $gen || fail "flowgen churn"
await 10 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"

count=$(ask b -e | wc -l)
kill -9 "$pid_a"
wait "$pid_a" 2>/dev/null
[ "$sync_transport" != cpg ] || corosync_kill a
ip netns del "$prefix-a"      # the owner reboots: a new namespace, an empty table
await 5 gone a
ns a
link a sync0 b sync1 || fail "link"
ip -n "$prefix-b" link del sync0 2>/dev/null
ip -n "$prefix-b" link set sync1 down && ip -n "$prefix-b" link set sync1 name sync0 &&
	ip -n "$prefix-b" link set sync0 up
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0 2>/dev/null
[ "$sync_transport" != cpg ] || corosync_start a
daemon a a
await 20 in_sync a || echo "note: a is not in sync yet"
[ "$(ask b -e | wc -l)" -ge "$count" ] || fail "b forgot: $(ask b -e | wc -l) of $count"
echo "restarts repaired, $count flows kept through the owner's reboot"
