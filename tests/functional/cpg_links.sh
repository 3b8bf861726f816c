#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# corosync first, udp on the same wire stands by: corosync ends and comes back under
# churn, both ways without a lost record.
CTS_TRANSPORT=cpg
. "$(dirname "$0")/lib.sh"
. "$src/tests/lab/corosync.sh"

active()
{
	ask "$1" --status --json | grep -A12 '"plugin": "'"$2"'"' | grep -m1 '"active"' | grep -q true
}

both_on()        # TRANSPORT
{
	active a "$1" && active b "$1"
}

links_config()   # NAME ADDRESS PEER
{
	cat >"$tmp/$1.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$1.lock";
	control = { socket = "$tmp/$1.sock"; };
	sync = {
	  transports = (
	    { plugin = "cpg"; },
	    { plugin = "udp"; address = "$2"; peers = ( "$3" ); interface = "sync0"; }
	  );
	};
	CFG
}

ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
links_config a 10.9.0.1 10.9.0.2
links_config b 10.9.0.2 10.9.0.1
corosync_cluster a 10.9.0.1 b 10.9.0.2
daemon a a
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "the nodes did not get in sync"
await 10 both_on cpg || fail "the first link is not active"

in_ns a "$build/bench/flowgen" churn 60000 --pace 3000 --window 2000 >"$tmp/gen" 2>&1 &
gen=$!
pids+=($gen)
corosync_kill b
await 10 both_on udp || fail "no switch to udp: $(ask a -s link)"
corosync_start b
await 40 both_on cpg || fail "no return to corosync: $(ask a -s link)"
wait $gen || fail "churn: $(cat "$tmp/gen")"
await 5 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
ask a --status | grep -q 'peer b .*in sync' || fail "a is not in sync: $(ask a --status)"
echo "corosync to udp and back under churn: caches agree"
