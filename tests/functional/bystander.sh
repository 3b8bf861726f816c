#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three nodes, one of which sends, and receives nothing. The other two stay in
# sync with each other under 20,000 changes a second, and nobody says of the third that
# it holds what it does not.
. "$(dirname "$0")/lib.sh"
changes=${CHANGES:-100000}

peer_in_sync()   # NODE PEER
{
	ask "$1" --status | grep -q "^peer $2 .*, in sync"
}

wire a b c
for n in a b c; do wire_config $n $n; done
for n in a b c; do daemon $n $n; done
for n in a b c; do await 20 in_sync $n || fail "$n is not in sync"; done
in_ns c nft -f - <<-NFT || fail "nft"
table inet one_way {
  chain in { type filter hook input priority -300; udp dport 3780 counter drop; }
}
NFT
in_ns a "$build/bench/flowgen" churn "$changes" --pace 20000 --window 3000 >"$tmp/gen" &
gen=$!
samples=0 apart=0
while kill -0 $gen 2>/dev/null; do
	samples=$((samples + 1))
	peer_in_sync a b || apart=$((apart + 1))
	read -r -t 0.1 <> <(:) || :
done
wait $gen || fail "flowgen: $(cat "$tmp/gen")"
# A sample may fall into the moment in which the third is put out of step.
[ $apart -le $((samples / 5)) ] || fail "a and b were apart in $apart of $samples samples: $(ask a --status)"
peer_in_sync a c && fail "a says that the one-way node holds all"
peer_in_sync c a && fail "the one-way node says that it holds all"
await 10 agree || fail "b lacks something: $(diff "$tmp/i" "$tmp/e" | head -3)"
in_ns c nft delete table inet one_way
for n in a b c; do await 30 in_sync $n || fail "$n is not in sync at the end: $(ask $n --status)"; done
echo "a node that receives nothing: the others were apart in $apart of $samples samples; it is back in sync"
