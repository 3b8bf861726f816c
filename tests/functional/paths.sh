#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Paths that are not as good as a cable: one that drops large packets in silence, one that
# loses every tenth packet, a slow port with a short queue. A joining node gets all flows,
# and what that costs on the wire is bounded.
. "$(dirname "$0")/lib.sh"
flows=${FLOWS:-50000} each=34   # bytes of a flow on the wire, header's share included

sent_bytes()
{
	in_ns a cat /sys/class/net/sync0/statistics/tx_bytes
}

drop_in()        # NS RULE: drop what comes in on the sync port and fits
{
	in_ns "$1" nft -f - <<-NFT || fail "nft"
	table inet path {
	  chain in {
	    type filter hook input priority -300
	    udp dport 3780 $2 counter drop
	  }
	}
	NFT
}

open_path()
{
	local n
	for n in a b; do in_ns $n nft delete table inet path; done
}

restart_b()
{
	kill -9 "$pid_b"
	wait "$pid_b" 2>/dev/null
	daemon b b
	pid_b=$daemon_pid
}

resets()
{
	ask a -s queue | awk '/not enough space/ { n += $NF } END { print n }'
}

# joins WHAT TIMES SECONDS: b starts empty and gets all flows of a, for at most TIMES
# their bytes.
joins()
{
	local before bytes
	before=$(sent_bytes)
	restart_b
	await "$3" external_count b "$flows" || fail "$1: b has $(ask b -e | wc -l) of $flows flows"
	await 20 in_sync b || fail "$1: not in sync: $(ask b --status)"
	bytes=$(($(sent_bytes) - before))
	echo "$1: $flows flows for $bytes bytes"
	[ $bytes -le $((flows * each * $2 / 10)) ] || fail "$1: $bytes bytes were sent"
}

two_nodes
# 2,000 flows through a path that drops what is larger than 1,000 bytes.
for n in a b; do drop_in $n "meta length > 1000"; done
before=$(sent_bytes)
in_ns a "$build/bench/flowgen" create 2000 >/dev/null || fail "flowgen"
await 30 external_count b 2000 || fail "black hole: b has $(ask b -e | wc -l) of 2000 flows"
await 20 in_sync b || fail "black hole: not in sync: $(ask b --status)"
bytes=$(($(sent_bytes) - before))
[ $bytes -lt 1000000 ] || fail "black hole: $bytes bytes for 2000 flows"
[ "$(grep -c 'large messages do not arrive' "$tmp/a.log")" = 1 ] || fail "black hole: it is not said once"
echo "black hole: 2000 flows for $bytes bytes"
open_path

in_ns a "$build/bench/flowgen" create $((flows - 2000)) --base 100000 >/dev/null || fail "flowgen"
for n in a b; do drop_in $n "numgen random mod 10 < 1"; done
joins "10 % loss" 30 60
open_path
in_ns a tc qdisc add dev sync0 root tbf rate 20mbit burst 8kb limit 64kb || skip "no tbf"
before=$(resets)
joins "slow port" 15 60
[ "$(resets)" = "$before" ] ||
	fail "slow port: a receiver was put out of step: $(ask a -s queue)"
