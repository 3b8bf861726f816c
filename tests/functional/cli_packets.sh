#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real packets of all protocols through a router that translates, marks, labels and puts
# into zones: -L, -E and every -n, -g and -j of ours beside the established tool at the same
# moment, and beside what the tuples say where that tool does not look (IPv6).
set -u
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
left=cts-pl-$$
right=cts-pr-$$
other_ns="$left $right"
. "$src/tests/functional/cli_oracle.sh"
py=$src/tests/functional/cli_packets.py
failed=0
ran=0

fail() { echo "FAIL: $*"; failed=1; }
ct() { ip netns exec "$ns" "$ours" "$@" 2>"$tmp/err"; }
other() { ip netns exec "$ns" "$oracle" "$@" 2>"$tmp/err"; }
# timeouts run, and the count of uses changes by the moment
normal() {
	sed -E -e 's/^[0-9]+ (proto=)/T \1/' -e 's/^((ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )[0-9]+ /\1T /' -e 's/use=[0-9]+/use=N/' \
	    -e 's/-t [0-9]+/-t T/' -e 's/<timeout>[0-9]+</<timeout>T</' -e 's/ id=[0-9]{4,}/ id=N/' -e 's/packets=[0-9]+ bytes=[0-9]+ //g' | sort
}

await() {
	local tries=250

	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.02
	done
}

command -v python3 >/dev/null || skip "no python3"
command -v nft >/dev/null || skip "no nft(8)"
for name in "$left" "$ns" "$right"; do
	ip netns add "$name" 2>/dev/null || skip "no network namespaces"
	ip -n "$name" link set lo up
done
for side in left right; do
	n=$([ $side = left ] && echo 1 || echo 2)
	ip -n "$ns" link add $side type veth peer name eth netns "${!side}"
	ip -n "$ns" addr add 10.$n.0.1/24 dev $side
	ip -n "$ns" addr add fd00:$n::1/64 dev $side nodad
	ip -n "${!side}" addr add 10.$n.0.2/24 dev eth
	ip -n "${!side}" addr add fd00:$n::2/64 dev eth nodad
	ip -n "$ns" link set $side up
	ip -n "${!side}" link set eth up
	ip -n "${!side}" route add default via 10.$n.0.1
	ip -n "${!side}" route add default via fd00:$n::1
done
ip -n "$ns" addr add 10.2.0.9/24 dev right
ip -n "$ns" addr add fd00:2::9/64 dev right nodad
ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# nothing may expire while it is looked at; checksums of SCTP are not worth computing here
ip netns exec "$ns" sh -c 'for t in /proc/sys/net/netfilter/nf_conntrack_*timeout*; do
	echo 900 >$t; done'
ip netns exec "$ns" sysctl -qw net.netfilter.nf_conntrack_checksum=0
ip netns exec "$ns" nft -f - <<'END' || skip "no NAT in this kernel"
table inet t {
	ct helper ftp {
		type "ftp" protocol tcp;
	}
	chain helpers {
		type filter hook prerouting priority filter;
		meta nfproto ipv4 tcp dport 1013 ct helper set "ftp"
	}
	chain zones {
		type filter hook prerouting priority raw;
		udp dport 1010 ct zone set 7
		tcp dport 1010 ct original zone set 8
	}
	chain marks {
		type filter hook prerouting priority mangle;
		meta l4proto { tcp, udp } th dport 1011 ct mark set 42
		meta l4proto { tcp, udp } th dport 1012 ct label set 5
	}
	chain destinations {
		type nat hook prerouting priority dstnat;
		meta l4proto { tcp, udp } th dport 1001 dnat ip to 10.2.0.2:2001
		meta l4proto { tcp, udp } th dport 1001 dnat ip6 to [fd00:2::2]:2001
		meta l4proto { tcp, udp } th dport 1003 redirect to :2001
		meta l4proto { tcp, udp } th dport 1004 dnat ip to 10.2.0.2
		meta l4proto { tcp, udp } th dport 1004 dnat ip6 to fd00:2::2
		ip daddr 10.2.0.99 dnat ip to 10.2.0.2
		ip6 daddr fd00:2::99 dnat ip6 to fd00:2::2
	}
	chain sources {
		type nat hook postrouting priority srcnat;
		meta l4proto { tcp, udp } th dport 1002 snat ip to 10.2.0.9
		meta l4proto { tcp, udp } th dport 1002 snat ip6 to fd00:2::9
		meta l4proto { tcp, udp } th dport { 1004, 2001 } oifname right masquerade
		ct original ip daddr 10.2.0.99 snat ip to 10.2.0.9
		ct original ip6 daddr fd00:2::99 snat ip6 to fd00:2::9
	}
}
END
printf '5 eth0-in\n' >"$tmp/labels"
ip netns exec "$right" python3 "$py" serve >"$tmp/serve" 2>&1 &
server=$!
ip netns exec "$ns" python3 "$py" serve >"$tmp/serve2" 2>&1 &   # for what is redirected
server2=$!
trap 'kill $server $server2 ${sender:-} 2>/dev/null; clean_up' EXIT
await grep -q ready "$tmp/serve" && await grep -q ready "$tmp/serve2" || {
	cat "$tmp/serve" "$tmp/serve2"; skip "no server"; }

ip netns exec "$ns" "$oracle" -E -o extended >"$tmp/events.theirs" 2>/dev/null &
theirs=$!
ip netns exec "$ns" "$ours" -E -o extended >"$tmp/events.ours" 2>/dev/null &
watcher=$!
listeners() { ip netns exec "$ns" awk '$2 == 12 && $4 != "00000000" { n++ } END { exit n < 2 }' /proc/net/netlink; }
await listeners || fail "nobody listens"
mkfifo "$tmp/hold"
exec 9<>"$tmp/hold"
ip netns exec "$left" python3 "$py" send 10.2.0.2 fd00:2::2 10.2.0.99 fd00:2::99 \
	<"$tmp/hold" >"$tmp/send" 2>&1 &
sender=$!
await grep -q sent "$tmp/send" || { cat "$tmp/send"; fail "not all was sent"; }

other -L -f ipv4 | normal >"$tmp/all4"
other -L -f ipv6 | grep -v '^icmpv6.*type=13[3-7]' | normal >"$tmp/all6"
for what in '^tcp ' '^udp ' '^icmp ' '^sctp ' '^gre ' ' 50 T' ' 200 T' 'zone=7' 'zone-orig=8' 'mark=42' 'helper=ftp'; do
	grep -qE "$what" "$tmp/all4" || fail "no flow with $what"
done
grep -q '^icmpv6 ' "$tmp/all6" || fail "no ICMPv6"

same() { # words...: both tools at once
	ran=$((ran + 1))
	other "$@" | normal >"$tmp/theirs"
	ct "$@" | normal >"$tmp/ours"
	diff -u "$tmp/theirs" "$tmp/ours" || fail "conntrack $*: differs from the other tool"
}

right() { # family option [word]: what the tuples say
	ran=$((ran + 1))
	python3 "$py" select "$tmp/all$1" "${@:2}" | sort >"$tmp/theirs"
	ct -L -f "ipv$1" "${@:2}" | grep -v '^icmpv6.*type=13[3-7]' | normal >"$tmp/ours"
	diff -u "$tmp/theirs" "$tmp/ours" || fail "conntrack -L -f ipv$1 ${*:2}: is not what the tuples say"
}

same -L -f ipv4
same -L -f ipv6
same -L -f ipv4 -o extended,id
same -L -o xml -p gre
# what an FTP session made the kernel expect
expected() { other -L expect | grep -q 'dport=4000'; }
await expected || fail "no expectation"
same -L expect
for p in tcp udp icmp sctp gre 50 200; do
	same -L -f ipv4 -p $p
	same -L -f ipv4 -p $p -o extended
	for o in -n -g; do
		# it takes the id of a ping for a port
		[ $p = icmp ] || same -L -f ipv4 -p $p $o
		for a in 10.2.0.9 10.2.0.1 10.2.0.99 10.1.0.1; do
			same -L -f ipv4 -p $p $o $a
		done
	done
	# a port alone that is translated is none to it when an address is given
	case $p in tcp|udp) continue ;; esac
	for o in -n -g; do
		same -L -f ipv4 -p $p $o 10.1.0.2
		same -L -f ipv4 -p $p $o 10.2.0.2
	done
done
same -L -w 7
same -L --orig-zone 8
same -L -m 42
for o in -n -g -j; do
	right 4 $o
	right 6 $o
	for a in 10.1.0.2 10.2.0.2 10.2.0.9 10.2.0.1 10.2.0.99 10.2.0.2:2001 10.2.0.2:1004 10.2.0.9:3002; do
		right 4 $o $a
	done
	for a in fd00:1::2 fd00:2::2 fd00:2::9 fd00:2::1 fd00:2::99 '[fd00:2::2]:2001' '[fd00:2::9]:3002'; do
		right 6 $o $a
	done
done
ran=$((ran + 1))
[ "$(ct -L -M "$tmp/labels" -l eth0-in | grep -c 'labels=eth0-in$')" = "$(grep -c 'dport=1012 src' "$tmp/all4" "$tmp/all6" | awk -F: '{ n += $2 } END { print n }')" ] ||
	fail "-l eth0-in shows $(ct -L -M "$tmp/labels" -l eth0-in)"

# a ping that is not translated is not deleted as translated
before=$(ct -L -f ipv4 -p icmp | wc -l)
ct -D -f ipv4 -p icmp -g 10.2.0.2 >"$tmp/deleted"
grep -vq 'dst=10.2.0.99 ' "$tmp/deleted" && fail "deleted: $(cat "$tmp/deleted")"
[ "$(ct -L -f ipv4 -p icmp | wc -l)" = $((before - 1)) ] || fail "not one ping of $before is gone"

same_events() {
	sort "$tmp/events.ours" | normal_events >"$tmp/ours"
	sort "$tmp/events.theirs" | normal_events >"$tmp/theirs"
	cmp -s "$tmp/ours" "$tmp/theirs" && [ -s "$tmp/ours" ]
}
normal_events() { sed -E 's/ +\[USERSPACE\].*//; s/ $//' | sort; }
ran=$((ran + 1))
await same_events || { fail "-E tells of other events"; diff "$tmp/theirs" "$tmp/ours" | head -20; }
kill $theirs $watcher
echo >&9
wait $theirs $watcher 2>/dev/null
echo "$ran comparisons, $(cat "$tmp/all4" "$tmp/all6" | wc -l) flows, $(wc -l <"$tmp/ours") events"
exit $failed
