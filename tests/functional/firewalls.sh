# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scenarios with a client, two firewalls and a server: sourced after lib.sh.
mac=02:00:00:00:00

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

# One MAC for each side, whoever is active: nobody has to learn another one.
share_macs()
{
	local f
	for f in fw1 fw2; do
		ip -n "$prefix-$f" link set lan address $mac:01
		ip -n "$prefix-$f" link set wan address $mac:02
	done
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
	    oifname "wan" ip saddr 10.0.1.0/24 snat ip to 10.0.2.1
	    oifname "wan" ip6 saddr fd00:1::/64 snat ip6 to fd00:2::1
	  }
	}
	NFT
}

listening()
{
	in_ns server ss -ltn | grep -q ':5001 '
}

established_on()
{
	in_ns "$1" "$conntrack" -L -p tcp --dport 5001 2>/dev/null | grep -q ESTABLISHED
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
