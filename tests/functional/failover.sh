#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client, two firewalls, a server. A long TCP transfer runs through the active
# firewall; it loses all links at once; the other is promoted; the transfer goes on.
# Without sync it dies. IPv4 and IPv6, with NAT to a shared address and without.
#   failover.sh [--demo BUILD]   --demo: two of the cases, told as they happen
if [ "${1:-}" = --demo ]; then
	demo=yes
	CTS_BUILD=${2:?build folder}
	CTS_PLUGIN_PATH=$CTS_BUILD/.libs
	export CTS_BUILD CTS_PLUGIN_PATH
fi
demo=${demo:-no}
. "$(dirname "$0")/lib.sh"
bytes=${BYTES:-40000000}
patience=8000      # ms of silence after which a connection counts as dead
mac=02:00:00:00:00

tell()
{
	[ $demo = no ] || printf '  %s\n' "$*"
}

# Both sides of the firewalls are bridges; each firewall has one port in each.
topology()
{
	ns client server lan wan fw1 fw2
	local side f
	for side in lan wan; do
		ip -n "$prefix-$side" link add br0 type bridge forward_delay 0
		ip -n "$prefix-$side" link set br0 up
		for f in fw1 fw2; do
			link $side $f $f $side || fail "link"
			ip -n "$prefix-$side" link set $f master br0
		done
	done
	link lan client client eth0 && ip -n "$prefix-lan" link set client master br0
	link wan server server eth0 && ip -n "$prefix-wan" link set server master br0
	link fw1 sync0 fw2 sync0
	ip -n "$prefix-fw1" addr add 10.9.0.1/30 dev sync0
	ip -n "$prefix-fw2" addr add 10.9.0.2/30 dev sync0
	for f in fw1 fw2; do
		# one shared MAC for each side, as VRRP has it
		ip -n "$prefix-$f" link set lan address $mac:01
		ip -n "$prefix-$f" link set wan address $mac:02
		in_ns $f sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
			net.netfilter.nf_conntrack_tcp_loose=0 \
			net.ipv4.conf.lan.arp_notify=1 net.ipv4.conf.wan.arp_notify=1 \
			net.ipv6.conf.lan.ndisc_notify=1 net.ipv6.conf.wan.ndisc_notify=1
		in_ns $f sysctl -q -w net.ipv6.conf.lan.accept_dad=0 net.ipv6.conf.wan.accept_dad=0
	done
	in_ns client sysctl -q -w net.ipv6.conf.eth0.accept_dad=0
	in_ns server sysctl -q -w net.ipv6.conf.eth0.accept_dad=0
	ip -n "$prefix-client" addr add 10.0.1.2/24 dev eth0
	ip -n "$prefix-client" addr add fd00:1::2/64 dev eth0 nodad
	ip -n "$prefix-client" route add default via 10.0.1.1
	ip -n "$prefix-client" route add default via fd00:1::1
	ip -n "$prefix-server" addr add 10.0.2.2/24 dev eth0
	ip -n "$prefix-server" addr add fd00:2::2/64 dev eth0 nodad
	ip -n "$prefix-server" route add 10.0.1.0/24 via 10.0.2.1
	ip -n "$prefix-server" route add fd00:1::/64 via fd00:2::1
}

# rules FIREWALL nat|plain
rules()
{
	in_ns "$1" nft -f - <<-NFT || fail "nft rules of $1"
	flush ruleset
	table inet fw {
	  chain forward {
	    type filter hook forward priority filter; policy drop;
	    ct state invalid counter drop
	    ct state established,related accept
	    tcp flags & (fin|syn|rst|ack) == syn ct state new accept
	    meta l4proto { icmp, ipv6-icmp } accept
	  }
	}
	NFT
	[ "$2" = plain ] || in_ns "$1" nft -f - <<-NFT || fail "nat rules of $1"
	table inet nat {
	  chain out {
	    type nat hook postrouting priority srcnat
	    oifname "wan" meta nfproto ipv4 snat ip to 10.0.2.1
	    oifname "wan" meta nfproto ipv6 snat ip6 to fd00:2::1
	  }
	}
	NFT
}

# The addresses that move: the client's gateway, and the shared outside address.
take_addresses()
{
	ip -n "$prefix-$1" addr add 10.0.1.1/24 dev lan
	ip -n "$prefix-$1" addr add 10.0.2.1/24 dev wan
	ip -n "$prefix-$1" addr add fd00:1::1/64 dev lan nodad
	ip -n "$prefix-$1" addr add fd00:2::1/64 dev wan nodad
}

lose_everything()
{
	local dev
	for dev in lan wan sync0; do
		ip -n "$prefix-$1" link set $dev down
	done
}

established_on()
{
	in_ns "$1" "$conntrack" -L -p tcp --dport 5001 2>/dev/null | grep -q ESTABLISHED
}

known_to_fw2()
{
	ask fw2 -e | grep -q 'ESTABLISHED.*dport=5001'
}

# one sync|nosync nat|plain 4|6
one()
{
	local sync=$1 nat=$2 family=$3 server=10.0.2.2 bind=0.0.0.0 replicated=0 outcome start promoted fetch
	[ "$family" = 4 ] || { server=fd00:2::2 bind=::; }

	topology
	rules fw1 "$nat"
	rules fw2 "$nat"
	take_addresses fw1
	if [ "$sync" = sync ]; then
		config fw1 10.9.0.1 10.9.0.2 sync0
		config fw2 10.9.0.2 10.9.0.1 sync0
		daemon fw1 fw1
		daemon fw2 fw2
		await 20 in_sync fw1 && await 20 in_sync fw2 || fail "not in sync"
		tell "both firewalls are in sync"
	else
		tell "no daemon runs: nothing is replicated"
	fi
	ip netns exec "$prefix-server" "$build/tests/functional/tcpflow" serve $bind 5001 &
	pids+=($!)
	await 5 listening || fail "no server"
	ip netns exec "$prefix-client" "$build/tests/functional/tcpflow" fetch $server 5001 "$bytes" $patience \
		>"$tmp/fetch.log" 2>&1 &
	fetch=$!
	pids+=($fetch)
	await 10 established_on fw1 || fail "no connection through fw1"
	tell "a TCP transfer runs through fw1: $(in_ns fw1 "$conntrack" -L -p tcp --dport 5001 2>/dev/null | head -1)"
	[ "$sync" = nosync ] || await 5 known_to_fw2 || fail "fw2 was not told"
	[ "$sync" = nosync ] || replicated=$(ask fw2 -e | wc -l)
	start=$(date +%s%N)
	lose_everything fw1
	tell "fw1 has lost all its links"
	if [ "$sync" = sync ]; then
		ask fw2 --promote >"$tmp/promote.log" 2>&1 || fail "promote: $(cat "$tmp/promote.log")"
	fi
	promoted=$(date +%s%N)
	take_addresses fw2
	tell "fw2 is active after $(((promoted - start) / 1000000)) ms; $(cat "$tmp/promote.log" 2>/dev/null)"
	wait $fetch
	outcome=$?
	if [ $demo = yes ] && [ $outcome = 0 ]; then
		tell "the transfer went on: outage $(sed 's/.*silence_ms=//' "$tmp/fetch.log") ms, $(cat "$tmp/fetch.log")"
		tell "flows that had been replicated: $replicated"
	fi
	if [ "$sync" = sync ]; then
		[ $outcome = 0 ] || fail "the connection died: $(cat "$tmp/fetch.log")"
		echo "survived, IPv$family, $nat: $(cat "$tmp/fetch.log")"
	else
		[ $outcome != 0 ] || fail "the connection lived on without sync: the scenario proves nothing"
		echo "died without sync, IPv$family, $nat: $(cat "$tmp/fetch.log")"
	fi
	teardown
}

listening()
{
	in_ns server ss -ltn | grep -q ':5001 '
}

teardown()
{
	local p n
	for p in "${pids[@]}"; do
		kill "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	for n in "${spaces[@]}"; do
		ip netns pids "$n" | xargs -r kill -9 2>/dev/null
		ip netns del "$n"
	done
	pids=() spaces=()
	rm -f "$tmp"/*
}

if [ $demo = yes ]; then
	echo "With sync, NAT to a shared address:"
	one sync nat 4
	echo "The same without sync:"
	one nosync nat 4
	exit 0
fi
for case in "sync nat 4" "sync nat 6" "sync plain 4" "sync plain 6" "nosync nat 4" "nosync plain 6"; do
	one $case
done
