#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# external_cache = false: b's kernel cannot take some of a's flows, because others are in
# the way (their reply tuples are the same; a full table is refused in the same way). It
# is said in the log once and seen on both sides, nothing is repeated meanwhile, and when
# the obstacle goes all flows are there by themselves.
. "$(dirname "$0")/lib.sh"
flows=20

obstacle()
{
	in_ns b "$conntrack" "$1" -p udp -s 10.99.0.$2 -d 198.51.100.1 --sport $((4000 + $2)) --dport 53 \
		${3:+--reply-src 198.51.100.1 --reply-dst 192.0.2.$2 --timeout 600} >/dev/null 2>&1
}

# of a's flows
held_by_b()
{
	[ "$(in_ns b "$conntrack" -L -p udp --dport 53 2>/dev/null | grep -c 'src=192.0.2.[0-9]* dst=198.51.100.1 ')" = "$1" ]
}

degraded()
{
	! in_sync "$1"
}

sent_states()
{
	ask "$1" -s network | grep 'states sent'
}

# The obstacles are b's alone: a never learns of them.
two_nodes 'external_cache = false;'
ask b -k || fail "-k"
echo 'filters = ( { plugin = "address"; ignore = ( "10.99.0.0/24" ); } );' >>"$tmp/b.cfg"
daemon b b
for i in $(seq $flows); do
	obstacle -I "$i" yes || fail "obstacle $i"
done
await 10 in_sync a || fail "not in sync with the obstacles"
for i in $(seq $((flows + 10))); do
	in_ns a "$conntrack" -I -p udp -s 192.0.2.$i -d 198.51.100.1 --sport $((4000 + i)) --dport 53 \
		--timeout 600 >/dev/null 2>&1 || fail "flow $i"
done
await 10 held_by_b 10 || fail "b holds $(in_ns b "$conntrack" -L 2>/dev/null | wc -l)"
await 5 degraded b && await 5 degraded a || fail "in sync, though b lacks $flows flows: $(ask a --status)"
before=$(sent_states a; sent_states b)
read -r -t 2 <> <(:) || :
after=$(sent_states a; sent_states b)
[ "$before" = "$after" ] || fail "not quiet: $before, $after"
[ "$(grep -c 'does not take all' "$tmp/b.log")" = 1 ] || fail "said $(grep -c 'does not take all' "$tmp/b.log") times"

for i in $(seq $flows); do
	obstacle -D "$i" || fail "obstacle $i does not go"
done
await 20 held_by_b $((flows + 10)) || fail "b holds $(in_ns b "$conntrack" -L 2>/dev/null)"
await 10 in_sync a && await 10 in_sync b || fail "not in sync again"
grep -q 'holds all entries of other nodes again' "$tmp/b.log" || fail "not said that all is well"
echo "$flows of $((flows + 10)) flows had to wait"
