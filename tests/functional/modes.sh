#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each mode of replication: nodes come to be in sync and eligible, a node that comes late
# gets all flows, the state is withdrawn when a node is cut off, and a takeover works.
. "$(dirname "$0")/lib.sh"
flows=300

is()
{
	local want=$1
	shift
	ask "$@" >"$tmp/out" 2>&1
	[ $? = "$want" ]
}

one()
{
	local mode=$1 times=
	[ $mode != alarm ] || times="refresh_time = 2; expire_time = 30;"
	two_nodes "mode = \"$mode\"; dead_after_ms = 1000; purge_timeout = 60; $times"
	in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "$mode: flowgen"
	await 10 external_count b $flows || fail "$mode: b holds $(ask b -e | wc -l)"
	is 0 a --eligible && is 0 b --eligible || fail "$mode: not eligible: $(cat "$tmp/out")"

	# b comes late
	kill -9 "$pid_b"
	await 10 is 2 a --status || fail "$mode: a has not noticed: $(cat "$tmp/out")"
	daemon b b
	pid_b=$daemon_pid
	await 15 external_count b $flows || fail "$mode: the late node holds $(ask b -e | wc -l) of $flows"
	await 15 is 0 b --status && await 15 is 0 a --status || fail "$mode: not in sync: $(cat "$tmp/out")"
	await 5 is 0 b --eligible || fail "$mode: $(cat "$tmp/out")"

	ask b --promote >"$tmp/out" || fail "$mode: promote: $(cat "$tmp/out")"
	[ "$(in_ns b "$conntrack" -C)" = $flows ] || fail "$mode: b's kernel holds $(in_ns b "$conntrack" -C)"
	is 0 b --eligible || fail "$mode: the active node is not eligible: $(cat "$tmp/out")"
	kill -9 "$pid_a" "$pid_b"
	wait "$pid_a" "$pid_b" 2>/dev/null
	ip netns del "$prefix-a"
	ip netns del "$prefix-b"
	rm -f "$tmp"/*.log "$tmp"/*.sock
}

for mode in ${MODES:-ftfw alarm notrack}; do
	one $mode
done
echo "in sync, late and taken over: ${MODES:-ftfw alarm notrack}"
