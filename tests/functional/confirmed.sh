#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# "In sync" is what was confirmed, and it is withdrawn: when a node receives nothing any
# more, when its cache has no room for the other one's flows, when its own cache has no
# room for its kernel's. Nothing is repeated while there is no room, and when there is
# some, all is well again by itself.
. "$(dirname "$0")/lib.sh"

apart()
{
	! in_sync a
}

sent_states()
{
	ask a -s network | grep 'states sent'
	ask b -s network | grep 'states sent'
}

because()        # NODE REASON
{
	ask "$1" --status | grep -q "$2"
}

# limited NODE LINE: started again with this line in its configuration
limited()
{
	ask "$1" -k || fail "-k"
	echo "$2" >>"$tmp/$1.cfg"
	daemon "$1" "$1"
	await 20 in_sync a && await 20 in_sync b || fail "not in sync with $2"
}

two_nodes
# Over corosync a node that receives nothing is no member; silent.sh has that.
if [ "$sync_transport" != cpg ]; then
	in_ns b nft -f - <<-NFT || fail "nft"
	table inet one_way {
	  chain in { type filter hook input priority -300; th dport 3780 counter drop; th sport 3780 counter drop; }
	}
	NFT
	in_ns a "$build/bench/flowgen" create 1 --base 900000 >/dev/null || fail "flowgen"
	await 2 apart || fail "b receives nothing, and a says: $(ask a --status)"
	in_ns b nft delete table inet one_way
	await 20 in_sync a && await 20 in_sync b || fail "not in sync again: $(ask a --status)"
	in_ns a "$build/bench/flowgen" delete 1 --base 900000 >/dev/null || fail "flowgen"
fi

limited b 'cache = { limit = 1000; };'
in_ns a "$build/bench/flowgen" create 1500 >/dev/null || fail "flowgen"
await 10 because a 'it has no room for all' || fail "b is full, and a says: $(ask a --status)"
await 5 because b 'this node has no room for all' || fail "b is full: $(ask b --status)"
external_count b 1000 || fail "b holds $(ask b -e | wc -l)"
await 10 apart || fail "b is full, and a is in sync"
before=$(sent_states)
read -r -t 2 <> <(:) || :
[ "$before" = "$(sent_states)" ] || fail "not quiet: $before, $(sent_states)"
in_ns a "$build/bench/flowgen" delete 700 >/dev/null || fail "flowgen delete"
await 20 in_sync a && await 20 in_sync b || fail "there is room again: $(ask b --status)"
await 10 agree || fail "b holds $(ask b -e | wc -l)"

limited a 'cache = { limit = 1000; }; kernel = { reconcile_interval = 1; };'
in_ns a "$build/bench/flowgen" create 700 --base 100000 >/dev/null || fail "flowgen"
await 10 because a "this node's own cache is full" || fail "a is full: $(ask a --status)"
await 5 because b 'its own cache is full' || fail "a is full: $(ask b --status)"
in_ns a "$build/bench/flowgen" delete 600 --base 100000 >/dev/null || fail "flowgen delete"
await 20 in_sync a && await 20 in_sync b || fail "a has room again: $(ask a --status)"
await 10 agree || fail "b holds $(ask b -e | wc -l) of $(ask a -i | wc -l)"
echo "one-way, full, full of one's own: each was said, and was over by itself"
