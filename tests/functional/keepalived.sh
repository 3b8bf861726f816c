#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The sample for keepalived, run by keepalived: two firewalls with VRRP on both sides. One
# without a daemon is not eligible. The active one loses a link: the addresses move, and a
# NATed TCP transfer goes on. It comes back and stands by.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/firewalls.sh"
bytes=${BYTES:-60000000}
patience=10000
rivals=$build/rivals
keepalived=$rivals/usr/sbin/keepalived
[ -x "$keepalived" ] || keepalived=$(command -v keepalived) || skip "keepalived is needed"
libs=$(echo "$rivals"/usr/lib/*-linux-gnu):$(echo "$rivals"/lib/*-linux-gnu)

# vrrp NODE NUMBER PRIORITY: keepalived with the sample; what it calls is written down
vrrp()
{
	local n=$1 dir=$build/conf/keepalived s
	for s in notify eligible; do
		cat >"$tmp/$n-$s" <<-SH
		#!/bin/sh
		export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
		export CONNTRACKD=$conntrackd CTSYNC_CONFIG=$tmp/$n.cfg CTSYNC_LOCK=$tmp/$n-notify.lock
		[ $s = eligible ] || echo "\$3" >>$tmp/$n.states
		exec $dir/ctsync-$s "\$@" >>$tmp/$n-$s.log 2>&1
		SH
		chmod 755 "$tmp/$n-$s"
	done
	sed "s,^  router_id .*,  router_id $n,; /enable_script_security/d; s/priority .*/priority $3/
		s,\"[^\"]*/ctsync-notify\",\"$tmp/$n-notify\",; s,\"[^\"]*/ctsync-eligible\",\"$tmp/$n-eligible\"," \
		"$dir/keepalived.conf" >"$tmp/$n-keepalived.conf"
	: >"$tmp/$n.states"
	ip -n "$prefix-$n" addr add "10.0.1.1$2/24" dev lan
	ip -n "$prefix-$n" addr add "10.0.2.1$2/24" dev wan
	LD_LIBRARY_PATH=$libs ip netns exec "$prefix-$n" "$keepalived" -n -l -D -P -f "$tmp/$n-keepalived.conf" \
		-p "$tmp/$n-keepalived.pid" -r "$tmp/$n-vrrp.pid" >"$tmp/$n-keepalived.log" 2>&1 &
	pids+=($!)
}

state()
{
	[ "$(tail -n 1 "$tmp/$1.states")" = "$2" ]
}

# Which of both addresses NODE has
addresses()
{
	[ "$(ip -n "$prefix-$1" -4 -o addr | grep -c -E ' 10\.0\.(1|2)\.1/24 ')" = "$2" ]
}

role()
{
	ask "$1" --status | head -1 | grep -q "role $2\$"
}

replicated()
{
	ask fw2 -e | grep -q 'ESTABLISHED.*dport=5001'
}

topology
rules fw1 nat
rules fw2 nat
config fw1 10.9.0.1 10.9.0.2 sync0 "dead_after_ms = 1000;"
config fw2 10.9.0.2 10.9.0.1 sync0 "dead_after_ms = 1000;"
daemon fw1 fw1
vrrp fw1 1 110
await 20 state fw1 MASTER && await 5 role fw1 active || fail "fw1 is not active: $(cat "$tmp/fw1.states")"
await 5 addresses fw1 2 || fail "fw1 has not both addresses"

vrrp fw2 2 100
await 20 state fw2 FAULT || fail "fw2 has no daemon and is in state $(cat "$tmp/fw2.states")"
daemon fw2 fw2
await 20 state fw2 BACKUP || fail "fw2 does not stand by: $(cat "$tmp/fw2.states")"
await 20 in_sync fw1 && await 20 in_sync fw2 || fail "not in sync"
await 5 role fw2 standby || fail "fw2: $(ask fw2 --status)"

ip netns exec "$prefix-server" "$build/tests/functional/tcpflow" serve 0.0.0.0 5001 &
pids+=($!)
await 5 listening || fail "no server"
ip netns exec "$prefix-client" "$build/tests/functional/tcpflow" fetch 10.0.2.2 5001 "$bytes" $patience \
	>"$tmp/fetch.log" 2>&1 &
fetch=$!
pids+=($fetch)
await 10 established_on fw1 || fail "no connection through fw1"
await 5 replicated || fail "fw2 did not receive the flow"
in_ns fw1 "$conntrack" -L -p tcp --dport 5001 2>/dev/null | grep -q 'dst=10.0.2.1 ' || fail "not NATed"

ip -n "$prefix-lan" link set fw1 down
await 10 state fw2 MASTER && await 10 role fw2 active || fail "fw2 did not take over: $(cat "$tmp/fw2.states")"
addresses fw2 2 || fail "fw2 has not both addresses"
await 10 state fw1 FAULT && await 10 role fw1 standby || fail "fw1 did not step down: $(cat "$tmp/fw1.states")"
await 5 addresses fw1 0 || fail "fw1 kept an address"
wait $fetch || fail "the connection died: $(cat "$tmp/fetch.log")"

ip -n "$prefix-lan" link set fw1 up
await 20 state fw1 BACKUP || fail "fw1 is back and does not stand by: $(cat "$tmp/fw1.states")"
addresses fw1 0 && addresses fw2 2 || fail "the addresses moved back"
role fw2 active || fail "fw2 is not active any more"
echo "keepalived moved the addresses, the connection survived: $(cat "$tmp/fetch.log")"
