#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A third machine comes up under the name of a node that is alive. It stays out and says
# why, the node that has the name goes on, and the other one says that there are two.
. "$(dirname "$0")/lib.sh"

# node NAME NS ADDRESS PEERS
node_config()
{
	cat >"$tmp/$2.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$2.lock";
	control = { socket = "$tmp/$2.sock"; };
	sync = {
	  transports = ( { plugin = "udp"; address = "$3"; peers = ( $4 ); interface = "sync0"; } );
	};
	CFG
}

ns sw a b c
ip -n "$prefix-sw" link add br0 type bridge || skip "no bridge device"
ip -n "$prefix-sw" link set br0 up
i=0
for n in a b c; do
	i=$((i + 1))
	link $n sync0 sw "p$i" || fail "link"
	ip -n "$prefix-sw" link set "p$i" master br0
	ip -n "$prefix-$n" addr add "10.9.0.$i/24" dev sync0
	in_ns $n "$build/bench/flowgen" create 50 --base $((i * 1000)) >/dev/null || fail "flowgen"
done
node_config one a 10.9.0.1 '"10.9.0.2", "10.9.0.3"'
node_config two b 10.9.0.2 '"10.9.0.1", "10.9.0.3"'
node_config one c 10.9.0.3 '"10.9.0.1", "10.9.0.2"'
daemon a a
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "not in sync"
external_flows b >"$tmp/before"
# Uptimes are compared in seconds: the newcomer is to be one.
await 10 eval 'ask a -s runtime | grep -qE "daemon uptime: .*[2-9] s"' || fail "a has no uptime"

daemon c c
await 20 grep -q 'was there first: this one stays out' "$tmp/c.log" || fail "c does not say that it stays out"
await 20 grep -q "this node's name" "$tmp/a.log" || fail "a does not say that its name is taken"
in_sync c && fail "c says that it is in sync"
await 10 in_sync b && await 10 in_sync a || fail "a and b are not in sync any more: $(ask b --status)"
external_flows b >"$tmp/after"
cmp "$tmp/before" "$tmp/after" || fail "the newcomer changed what b holds of a"

# The older one goes: then the name is free.
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
await 30 in_sync c || fail "c does not take the name that is free: $(ask c --status)"
echo "two nodes of one name: the newcomer stays out, then takes it"
