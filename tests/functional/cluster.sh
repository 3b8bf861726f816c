#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several nodes on one wire, each with flows of its own: all know all; one that stands
# still holds nobody up; one of several takes over what a dead one owned and tells the
# others; the dead one comes back, under its name and under another one.
#   cluster.sh [TRANSPORT] [NODES]
[ "${1:-}" != cpg ] || export CTS_TRANSPORT=cpg
. "$(dirname "$0")/lib.sh"
transport=${1:-multicast} count=${2:-5} each=${FLOWS:-400}
nodes=$(seq -f 'n%g' "$count")

# cluster_config NAME: its own address is 10.9.0.<its number>
cluster_config()
{
	local i peers= block
	for i in $(seq "$count"); do
		[ "n$i" = "${1%x}" ] || peers="$peers${peers:+, }\"10.9.0.$i\""
	done
	block="plugin = \"$transport\"; address = \"10.9.0.$(place "$1")\"; peers = ( $peers );"
	block="$block interface = \"sync0\";"
	[ "$transport" != multicast ] ||
		block='plugin = "multicast"; group = "225.0.0.50"; interface = "sync0";'
	[ "$transport" != cpg ] || block='plugin = "cpg";'
	cat >"$tmp/$1.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$1.lock";
	control = { socket = "$tmp/$1.sock"; };
	sync = {
	  purge_timeout = 10;
	  transports = ( { $block } );
	};
	CFG
}

place()          # n3, n3x: 3
{
	local name=${1#n}
	echo "${name%x}"
}

start()          # NAME: in the namespace of its place
{
	cluster_config "$1"
	daemon "$1" "n$(place "$1")"
	pid[$(place "$1")]=$daemon_pid
}

stop_hard()      # PLACE
{
	kill -9 "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null
}

# Does NAME hold exactly what the kernels of all other places hold?
knows_all()
{
	local i
	: >"$tmp/want.$1"
	for i in $(seq "$count"); do
		[ "$i" = "$(place "$1")" ] || kernel_flows "n$i"
	done | sort >"$tmp/want.$1"
	external_flows "$1" >"$tmp/have.$1"
	cmp "$tmp/want.$1" "$tmp/have.$1"
}

all_agree()      # SECONDS WHAT NAME...
{
	local seconds=$1 what=$2 n
	shift 2
	for n in "$@"; do
		await "$seconds" knows_all "$n" ||
			fail "$what: $n: $(diff "$tmp/want.$n" "$tmp/have.$n" | head -3)"
	done
}

rss_kb()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

ns sw $nodes
ip -n "$prefix-sw" link add br0 type bridge || skip "no bridge device"
ip -n "$prefix-sw" link set br0 up
for i in $(seq "$count"); do
	link "n$i" sync0 sw "p$i" || fail "link"
	ip -n "$prefix-sw" link set "p$i" master br0
	ip -n "$prefix-n$i" addr add "10.9.0.$i/24" dev sync0
	in_ns "n$i" "$build/bench/flowgen" create "$each" --base $((i * 100000)) >/dev/null ||
		fail "flowgen"
done
[ "$transport" != cpg ] || corosync_cluster $(for i in $(seq "$count"); do echo "n$i 10.9.0.$i"; done)
for n in $nodes; do start "$n"; done
for n in $nodes; do await 20 in_sync "$n" || fail "$n is not in sync: $(ask "$n" --status)"; done
all_agree 10 "at first" $nodes

# One stands still: the others go on, and keep nothing for it that grows.
last=$count
before=$(rss_kb "${pid[1]}")
kill -STOP "${pid[$last]}"
in_ns n1 "$build/bench/flowgen" churn 15000 --base 5000000 --pace 5000 --window 500 >/dev/null ||
	fail "churn"
all_agree 5 "one stands still" $(seq -f 'n%g' 2 $((count - 1)))
grown=$(($(rss_kb "${pid[1]}") - before))
kill -CONT "${pid[$last]}"
[ $grown -lt 8192 ] || fail "the sender grew by $grown kB for a node that stands still"
all_agree 15 "it goes on" $nodes

# One dies, another one takes over: third nodes have it from the new owner, and once.
kernel_flows n1 >"$tmp/owned"
stop_hard 1
ask n2 --promote >"$tmp/promote" || fail "promote: $(cat "$tmp/promote")"
kernel_flows n2 | comm -13 - "$tmp/owned" >"$tmp/missing"
[ ! -s "$tmp/missing" ] || fail "not taken over: $(head -3 "$tmp/missing")"
in_ns n1 "$conntrack" -F >/dev/null 2>&1
all_agree 20 "what was taken over is there once" $(seq -f 'n%g' 3 "$count")
external_flows n3 | comm -13 - "$tmp/owned" >"$tmp/missing"
[ ! -s "$tmp/missing" ] || fail "forgotten by a third node: $(head -3 "$tmp/missing")"

# It comes back with an empty table, then once more under another name.
start n1
all_agree 15 "it is back" $nodes
stop_hard 1
start n1x
all_agree 20 "under another name" n1x $(seq -f 'n%g' 2 "$count")
echo "$transport: $count nodes, $each flows each: all know all, takeover announced, back again"
