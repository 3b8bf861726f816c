#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three nodes over a real corosync: one that is not running yet, a cut and a merge, a
# killed corosync, a killed daemon, and a daemon that stands still. All caches agree
# within 5 s each time, and nobody waits for one that fails.
CTS_TRANSPORT=cpg
. "$(dirname "$0")/lib.sh"
. "$src/tests/lab/corosync.sh"
declare -A pid
churn=()   # pids, by number of the node

start()
{
	daemon "$1" "$1"
	pid[$1]=$daemon_pid
}

# Each node makes and ends flows of its own, 2,000 in a second, new ones each time.
round=0
churn_start()    # SECONDS
{
	local n
	round=$((round + 1))
	for n in $nodes; do
		ip netns exec "$prefix-$n" "$build/bench/flowgen" churn $(($1 * 2000)) \
			--base $((${n#n} * 1000000 + round * 100000)) --pace 2000 --window 500 >"$tmp/churn.$n" 2>&1 &
		churn[${n#n}]=$!
		pids+=($!)
	done
}

churn_end()
{
	local n
	for n in $nodes; do
		wait "${churn[${n#n}]}" || fail "churn on $n: $(cat "$tmp/churn.$n")"
	done
}

knows_all()
{
	local n
	for n in $nodes; do
		[ "$n" = "$1" ] || kernel_flows "$n"
	done | sort >"$tmp/want.$1"
	external_flows "$1" >"$tmp/have.$1"
	cmp "$tmp/want.$1" "$tmp/have.$1"
}

all_agree()      # WHAT
{
	local n
	for n in $nodes; do
		await 5 knows_all "$n" ||
			fail "$1: $n: $(diff "$tmp/want.$n" "$tmp/have.$n" | head -3) $(ask "$n" --status)"
	done
	echo "$1: all agree"
}

# Does A's kernel make its way to B while something is broken elsewhere?
flow=0
flow_passes()    # FROM TO WHAT
{
	flow=$((flow + 1))
	in_ns "$1" "$conntrack" -I -p tcp -s 192.0.2.1 -d 198.51.100.1 --sport $flow --dport 80 \
		-t 600 --state ESTABLISHED -u ASSURED,SEEN_REPLY 2>/dev/null || fail "flow $flow"
	await "${4:-5}" has_flow "$2" $flow || fail "$3: flow $flow of $1 is not on $2"
}

has_flow()
{
	ask "$1" -e | grep -q "sport=$2 dport=80 "
}

says()           # NODE TEXT
{
	grep -q "$2" "$tmp/$1.log"
}

nodes="n1 n2 n3"
ns sw $nodes
ip -n "$prefix-sw" link add br0 type bridge || skip "no bridge device"
ip -n "$prefix-sw" link set br0 up
for n in $nodes; do
	link "$n" sync0 sw "p${n#n}" || fail "link"
	ip -n "$prefix-sw" link set "p${n#n}" master br0
	ip -n "$prefix-$n" addr add "10.9.0.${n#n}/24" dev sync0
	cat >"$tmp/$n.cfg" <<-CFG
	node = "$n";
	lock = "$tmp/$n.lock";
	control = { socket = "$tmp/$n.sock"; };
	sync = { transports = ( { plugin = "cpg"; group = "firewalls"; } ); };
	CFG
done

start n3
await 5 says n3 "cannot join group" || fail "n3 says nothing of a corosync that does not run"
[ "$(ask n3 -s | grep -c 'active connections')" = 2 ] || fail "n3 does not serve without corosync"
corosync_cluster n1 10.9.0.1 n2 10.9.0.2 n3 10.9.0.3
start n1
start n2
for n in $nodes; do await 10 in_sync "$n" || fail "$n is not in sync: $(ask "$n" --status)"; done

# One is cut off for 10 s.
churn_start 14
ip -n "$prefix-sw" link set p3 down
await 10 corosync_sees n1 2 || fail "the cut is not seen"
flow_passes n1 n2 "n3 is cut off"
for ((i = 0; i < 40; i++)); do flow_passes n1 n2 "n3 is cut off"; read -r -t 0.2 <> <(:); done
ip -n "$prefix-sw" link set p3 up
for n in $nodes; do await 20 corosync_sees "$n" 3 || fail "no merge on $n"; done
churn_end
all_agree "a cut of 10 s"

# A corosync is killed, and its daemon joins again by itself.
churn_start 6
corosync_kill n2
await 5 says n2 "connection to corosync is lost" || fail "n2 does not notice"
await 10 corosync_sees n1 2 || fail "the kill is not seen"
flow_passes n1 n3 "corosync of n2 is dead"
corosync_start n2
for n in $nodes; do await 20 corosync_sees "$n" 3 || fail "no merge on $n"; done
churn_end
all_agree "corosync killed"

# A daemon is killed.
churn_start 3
kill -9 "${pid[n3]}"
wait "${pid[n3]}" 2>/dev/null
flow_passes n1 n2 "the daemon of n3 is dead"
start n3
churn_end
all_agree "daemon killed"

# A daemon stands still for 10 s: the others go on, and its corosync does not grow by more
# than what may wait there.
before=$(corosync_rss n3)
churn_start 10
kill -STOP "${pid[n3]}"
slowest=0
while kill -0 "${churn[1]}" 2>/dev/null; do
	t=${EPOCHREALTIME/./}
	flow_passes n1 n2 "n3 stands still"
	t=$((${EPOCHREALTIME/./} - t))
	[ $t -le $slowest ] || slowest=$t
	read -r -t 0.1 <> <(:)
done
churn_end
grown=$(($(corosync_rss n3) - before))
[ $grown -le 16384 ] || fail "corosync of n3 grew by $grown KiB"
[ $slowest -le 2000000 ] || fail "a flow took $slowest us while n3 stood still"
kill -CONT "${pid[n3]}"
all_agree "a daemon stood still; its corosync grew by $grown KiB, the slowest flow took $slowest us"
