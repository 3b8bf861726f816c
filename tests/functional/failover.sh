#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client, two firewalls, a server. A long TCP transfer runs through the active
# firewall; it loses all links at once; the other is promoted; the transfer goes on.
# Without sync it dies. IPv4 and IPv6, with NAT to a shared address and without.
#   failover.sh [--demo BUILD]   --demo: two of the cases, described as they happen
if [ "${1:-}" = --demo ]; then
	demo=yes
	CTS_BUILD=${2:?build folder}
	CTS_PLUGIN_PATH=$CTS_BUILD/.libs
	export CTS_BUILD CTS_PLUGIN_PATH
fi
demo=${demo:-no}
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/firewalls.sh"
bytes=${BYTES:-40000000}
patience=8000      # ms of silence after which a connection counts as dead

say()
{
	[ $demo = no ] || printf '  %s\n' "$*"
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
	share_macs
	rules fw1 "$nat"
	rules fw2 "$nat"
	take_addresses fw1
	if [ "$sync" = sync ]; then
		config fw1 10.9.0.1 10.9.0.2 sync0
		config fw2 10.9.0.2 10.9.0.1 sync0
		daemon fw1 fw1
		daemon fw2 fw2
		await 20 in_sync fw1 && await 20 in_sync fw2 || fail "not in sync"
		say "both firewalls are in sync"
	else
		say "no daemon runs: nothing is replicated"
	fi
	ip netns exec "$prefix-server" "$build/tests/functional/tcpflow" serve $bind 5001 &
	pids+=($!)
	await 5 listening || fail "no server"
	ip netns exec "$prefix-client" "$build/tests/functional/tcpflow" fetch $server 5001 "$bytes" $patience \
		>"$tmp/fetch.log" 2>&1 &
	fetch=$!
	pids+=($fetch)
	await 10 established_on fw1 || fail "no connection through fw1"
	say "a TCP transfer runs through fw1: $(in_ns fw1 "$conntrack" -L -p tcp --dport 5001 2>/dev/null | head -1)"
	[ "$sync" = nosync ] || await 5 known_to_fw2 || fail "fw2 did not receive the flow"
	[ "$sync" = nosync ] || replicated=$(ask fw2 -e | wc -l)
	start=$(date +%s%N)
	lose_everything fw1
	say "fw1 has lost all its links"
	if [ "$sync" = sync ]; then
		ask fw2 --promote >"$tmp/promote.log" 2>&1 || fail "promote: $(cat "$tmp/promote.log")"
	fi
	promoted=$(date +%s%N)
	take_addresses fw2
	say "fw2 is active after $(((promoted - start) / 1000000)) ms; $(cat "$tmp/promote.log" 2>/dev/null)"
	wait $fetch
	outcome=$?
	if [ $demo = yes ] && [ $outcome = 0 ]; then
		say "the transfer went on: outage $(sed 's/.*silence_ms=//' "$tmp/fetch.log") ms, $(cat "$tmp/fetch.log")"
		say "flows that had been replicated: $replicated"
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
