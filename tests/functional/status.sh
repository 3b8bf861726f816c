#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a monitor sees: three nodes in sync, one of them cut off, its lag, nobody there,
# no daemon; and who may take over.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is needed"

ends_with()
{
	local want=$1
	shift
	"$@" >"$tmp/out" 2>&1
	[ $? = "$want" ]
}

# peer NODE PEER EXPRESSION: Python over what NODE's JSON says of PEER
peer()
{
	ask "$1" --status --json >"$tmp/json"
	python3 - "$tmp/json" "$2" "$3" <<-'PY'
	import json, sys
	status = json.load(open(sys.argv[1]))
	peers = [p for p in status["peers"] if p["name"] == sys.argv[2]]
	sys.exit(not (peers and eval("(" + sys.argv[3] + ")", {}, peers[0] | {"status": status})))
	PY
}

cut()
{
	ip -n "$prefix-hub" link set "to-$1" "$2"
}

# node NAME ADDRESS DEAD_AFTER PEERS
node()
{
	config "$1" "$2" 10.9.0.99 sync0 "dead_after_ms = $3;"
	sed -i "s/peers = .*; interface/peers = ( $4 ); interface/" "$tmp/$1.cfg"
}

ns a b c hub
ip -n "$prefix-hub" link add br0 type bridge forward_delay 0
ip -n "$prefix-hub" link set br0 up
i=0
for n in a b c; do
	i=$((i + 1))
	link $n sync0 hub to-$n && ip -n "$prefix-hub" link set to-$n master br0 || fail "link"
	ip -n "$prefix-$n" addr add 10.9.0.$i/24 dev sync0
done
node a 10.9.0.1 20000 '"10.9.0.2", "10.9.0.3"'
node b 10.9.0.2 20000 '"10.9.0.1", "10.9.0.3"'
node c 10.9.0.3 20000 '"10.9.0.1", "10.9.0.2"'
ends_with 2 ask a --status || fail "no daemon: $? $(cat "$tmp/out")"
grep -q "is conntrackd running" "$tmp/out" || fail "no daemon, no message: $(cat "$tmp/out")"
ends_with 2 "$conntrackd" -C "$tmp/none.cfg" --status || fail "no configuration: $(cat "$tmp/out")"
ends_with 1 ask a --eligible || fail "a node without a daemon is eligible"

daemon a a
ends_with 2 ask a --status || fail "alone, and the status is $? $(cat "$tmp/out")"
ends_with 1 ask a --eligible || fail "eligible before it received from anybody"
grep -q "not eligible: there was no time" "$tmp/out" || fail "why not: $(cat "$tmp/out")"
daemon b b
daemon c c
for n in a b c; do
	await 20 ends_with 0 ask $n --status || fail "$n is not in sync: $(cat "$tmp/out")"
	ends_with 0 ask $n --eligible || fail "$n is not eligible: $(cat "$tmp/out")"
done

in_ns a "$build/bench/flowgen" create 500 >/dev/null || fail "flowgen"
await 10 peer b a "flows == 500" || fail "b holds $(ask b -e | wc -l)"
await 10 peer a b "lag_records == 0 and lag_messages == 0 and lag_ms == 0" || fail "a lag that stays: $(ask a --status)"
peer a b "sent_messages >= 2 and sent_bytes > 500 * 20 and recv_messages >= 2 and recv_bytes > 100" ||
	fail "counters: $(cat "$tmp/json")"
peer a b "in_sync and received_ms_ago < 1000 and status['code'] == 0 and status['eligible']" ||
	fail "state: $(cat "$tmp/json")"
peer a b "holds_mine and held_here and holds_mine_why_not is None and held_here_why_not is None and not gone
	and differs == [] and complete and status['eligible_why_not'] is None and status['lacking'] == 0" ||
	fail "both directions: $(cat "$tmp/json")"
ask a -s network | grep -A4 '^peer b ' | grep -q 'sent [1-9][0-9]* messages' || fail "-s network lacks peers"

cut c down
await 10 ends_with 1 ask a --status || fail "one of two is cut off: $? $(cat "$tmp/out")"
await 10 ends_with 1 ask b --status || fail "one of two is cut off, b: $(cat "$tmp/out")"
await 10 ends_with 2 ask c --status || fail "cut off: $? $(cat "$tmp/out")"
in_ns a "$build/bench/flowgen" delete 200 >/dev/null || fail "flowgen"
await 5 peer a c "not in_sync and lag_records >= 200 and lag_messages >= 1 and lag_ms >= 100 and
	received_ms_ago >= 100" || fail "no lag: $(cat "$tmp/json")"
peer a c "not holds_mine and holds_mine_why_not" || fail "no reason: $(cat "$tmp/json")"
ask a --status | grep -A1 '^peer c ' | grep -q "it holds this node's flows: not confirmed, ." || fail "$(ask a --status)"
await 5 peer a b "in_sync and lag_records == 0" || fail "the one that is there lags: $(cat "$tmp/json")"

cut c up
for n in a b c; do
	await 20 ends_with 0 ask $n --status || fail "$n is not in sync again: $(cat "$tmp/out")"
done
# What it missed is sent again, or found by a comparison after another START.
await 10 peer a c "lag_records == 0 and lag_messages == 0 and gone_ms == 0" ||
	fail "still behind: $(cat "$tmp/json")"
await 10 peer c a "flows == 300" || fail "c did not catch up: $(cat "$tmp/json")"

for n in a b c; do
	ask $n -k || fail "-k"
done
node a 10.9.0.1 500 '"10.9.0.2"'
daemon a a
await 10 ends_with 0 ask a --eligible || fail "alone for long: $(cat "$tmp/out")"
ends_with 2 ask a --status || fail "alone: $(cat "$tmp/out")"

# differently configured nodes notice, in the log with the address, and show it
sed 's/dead_after_ms/mode = "alarm"; &/' "$tmp/b.cfg" >"$tmp/b2.cfg" && mv "$tmp/b2.cfg" "$tmp/b.cfg"
daemon b b
await 10 peer a b "'mode' in differs" || fail "another mode was not noticed: $(cat "$tmp/json")"
await 10 grep -q 'sync: node b .* at 10.9.0.2 (udp): its sync.mode is another one' "$tmp/a.log" ||
	fail "another mode was not logged"
ask a --status | grep -q 'configured in another way: mode' || fail "not shown: $(ask a --status)"
echo "in sync 0, one cut off 1, alone 2, no daemon 2; $(ask a --status | head -1)"
