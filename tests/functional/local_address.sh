#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A filter that ignores the node's own addresses follows them: a flow is taken back
# from the peer when its address becomes local, and sent again when it is not.
. "$(dirname "$0")/lib.sh"

ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
config a 10.9.0.1 10.9.0.2 sync0
config b 10.9.0.2 10.9.0.1 sync0
echo 'filters = ( { plugin = "address"; ignore = ( "local" ); } );' >>"$tmp/a.cfg"
daemon a a
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "the nodes did not get in sync"
for host in 7 8; do
	in_ns a "$conntrack" -I -p udp -s 192.0.2.$host -d 198.51.100.1 --sport 1 --dport 2 -t 600 2>/dev/null ||
		fail "conntrack -I"
done
await 5 external_count b 2 || fail "not replicated: $(ask b -e)"
ip -n "$prefix-a" addr add 192.0.2.7/32 dev lo
await 5 external_count b 1 || fail "a flow of a local address is still sent: $(ask b -e)"
external_flows b | grep -q "src=192.0.2.8 " || fail "the wrong flow was taken back: $(ask b -e)"
ip -n "$prefix-a" addr del 192.0.2.7/32 dev lo
await 5 external_count b 2 || fail "a flow is not sent again: $(ask b -e)"
echo "local addresses are followed"
