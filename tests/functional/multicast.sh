#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A burst over multicast, with a group of IPv4 and then of IPv6: all flows come, and
# later deletes and marks too.
. "$(dirname "$0")/lib.sh"
flows=${FLOWS:-20000}
half=$((flows / 2))

# multicast_config NAME GROUP
multicast_config()
{
	cat >"$tmp/$1.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$1.lock";
	control = { socket = "$tmp/$1.sock"; };
	sync = {
	  transports = ( { plugin = "multicast"; group = "$2"; interface = "sync0"; } );
	};
	CFG
}

one()
{
	local group=$1 n

	for n in a b; do
		multicast_config $n "$group"
	done
	daemon a a
	pid_a=$daemon_pid
	daemon b b
	pid_b=$daemon_pid
	await 20 in_sync a && await 20 in_sync b || fail "$group: the nodes did not get in sync"
	in_ns a "$build/bench/flowgen" create "$flows" >/dev/null || fail "flowgen create"
	await 20 external_count b "$flows" ||
		fail "$group: b holds $(ask b -e | wc -l) of $flows"
	in_ns a "$build/bench/flowgen" delete "$half" >/dev/null || fail "flowgen delete"
	in_ns a "$build/bench/flowgen" mark "$half" --base "$half" --mark 7 >/dev/null ||
		fail "flowgen mark"
	await 20 external_count b "$half" || fail "$group: b holds $(ask b -e | wc -l) of $half"
	await 20 agree || fail "$group: tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
	[ "$(grep -c mark=7 "$tmp/e")" = "$half" ] || fail "marks: $(grep -c mark=7 "$tmp/e")"
	ask a -k && ask b -k || fail "-k"
	wait "$pid_a" "$pid_b" || fail "a daemon ended with an error"
	in_ns a "$conntrack" -F >/dev/null 2>&1
	echo "$flows flows over multicast group $group"
}

ns a b
link a sync0 b sync0 || fail "link"
for n in a b; do
	in_ns $n sysctl -q -w net.ipv6.conf.sync0.accept_dad=0
done
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
ip -n "$prefix-a" addr add fd09::1/64 dev sync0 nodad
ip -n "$prefix-b" addr add fd09::2/64 dev sync0 nodad
one 225.0.0.50
one ff02::50
