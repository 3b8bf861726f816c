#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 20 % of the packets are lost for some seconds under churn: the caches agree
# within 5 s of the end.
. "$(dirname "$0")/lib.sh"
seconds=${LOSS_SECONDS:-10} port=3780
[ "$sync_transport" != cpg ] || port=5405   # corosync's

two_nodes
for n in a b; do
	in_ns $n nft -f - <<-NFT || fail "nft"
	table inet loss {
	  chain in {
	    type filter hook input priority -300
	    meta l4proto { tcp, udp } th dport $port numgen random mod 100 < 20 counter drop
	    tcp sport $port numgen random mod 100 < 20 counter drop
	  }
	}
	NFT
done
in_ns a "$build/bench/flowgen" churn $((seconds * 2500)) --pace 5000 --window 3000 >"$tmp/gen" ||
	fail "flowgen"
in_ns a nft list table inet loss | grep -q 'packets [1-9]' || fail "nothing was dropped"
for n in a b; do in_ns $n nft delete table inet loss; done
await 5 agree || fail "tables differ after 5 s: $(diff "$tmp/i" "$tmp/e" | head -3)"
echo "caches agree after $seconds s of 20 % loss: $(cat "$tmp/gen")"
