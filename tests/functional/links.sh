#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two sync links: the second one takes over when the first loses its device or goes
# silent, and the first one has the traffic again when it is back. Nothing is lost.
. "$(dirname "$0")/lib.sh"

two_links()
{
	cat >"$tmp/$1.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$1.lock";
	control = { socket = "$tmp/$1.sock"; };
	sync = {
	  transports = (
	    { plugin = "$sync_transport"; address = "$2"; peers = ( "$3" ); interface = "sync0"; },
	    { plugin = "multicast"; group = "225.0.0.50"; interface = "sync1"; }
	  );
	};
	CFG
}

active()
{
	ask "$1" --status --json | grep -A12 '"plugin": "'"$2"'"' | grep -m1 '"active"' | grep -q true
}

flow=0
flow_arrives()
{
	flow=$((flow + 1))
	in_ns a "$conntrack" -I -p tcp -s 192.0.2.1 -d 198.51.100.1 --sport $flow --dport 80 \
		-t 600 --state ESTABLISHED -u ASSURED,SEEN_REPLY 2>/dev/null || fail "flow $flow"
	await 10 external_count b $flow || fail "flow $flow is not on the other node: $1"
}

ns a b
link a sync0 b sync0
link a sync1 b sync1
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
ip -n "$prefix-a" addr add 10.9.1.1/30 dev sync1
ip -n "$prefix-b" addr add 10.9.1.2/30 dev sync1
two_links a 10.9.0.1 10.9.0.2
two_links b 10.9.0.2 10.9.0.1
daemon a a
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "the nodes did not get in sync"
await 10 active a "$sync_transport" || fail "the first link is not active"
flow_arrives "both links are up"

ip -n "$prefix-a" link set sync0 down
await 10 active a multicast && await 10 active b multicast || fail "no switch: device down"
flow_arrives "the first device is down"
await 5 in_sync a || fail "a is not in sync on the second link: $(ask a --status)"

ip -n "$prefix-a" link set sync0 up
await 20 active a "$sync_transport" && await 20 active b "$sync_transport" || fail "the first link is not used again"
flow_arrives "the first device is up again"

for n in a b; do
	in_ns $n nft "add table netdev t; add chain netdev t c { type filter hook ingress device sync0 priority 0; policy drop; }" ||
		fail "nft"
done
await 10 active a multicast && await 10 active b multicast || fail "no switch: silence"
flow_arrives "the first link is silent"

for n in a b; do
	in_ns $n nft flush ruleset
done
await 30 active a "$sync_transport" && await 30 active b "$sync_transport" ||
	fail "the first link is not used again after silence"
in_ns b nft "add table netdev t; add chain netdev t c { type filter hook ingress device sync0 priority 0; policy drop; }" ||
	fail "nft"
flow_arrives "the first link is one-way: b does not receive from a"
# Messages now and then also go out on the link that stands by, and arrive: what is lost
# shows with traffic.
in_ns a "$build/bench/flowgen" churn 6000 --pace 300 --window 100 >"$tmp/gen" &
gen=$!
await 15 active a multicast || fail "no switch: one-way loss"
wait $gen || fail "flowgen: $(cat "$tmp/gen")"
in_ns a "$build/bench/flowgen" delete 100 --base 5900 >/dev/null || fail "flowgen delete"
flow_arrives "after the switch"
# A connection that gets nothing back is silent both ways.
[ "$sync_transport" = tcp ] || grep -q "does not arrive" "$tmp/a.log" || fail "one-way loss is not reported"
echo "two links: device down, up again, silence, one way: $flow flows, none lost"
