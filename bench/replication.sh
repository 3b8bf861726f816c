#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Replication, ours beside the established daemon's, in one run: 200,000 flows paced (evenly
# spread, in ticks of 1 ms), in a burst, as bulk; commit; lag; transfers to a joining node
# over a clean, a lossy and a slow link. Prints a table of medians, ratios and targets. The
# established daemon has no cpg; there the CPU of corosync itself is a figure of its own.
#   bench/replication.sh [-n RUNS] [-f FLOWS] [-o RESULTS] [-w WHAT] [-j SECONDS] [-b BUILD]
#                        [-r] [udp|multicast|tcp|cpg ...]
# -w: of "flows ticks burst bulk lag join" (all); -j: after so long (60) a transfer that is
# not through has failed; -b: a second build of ours, to see what a change does; -r: without
# the established daemon.
# Needs root, a build (CTS_BUILD, else ./build) and `quickstart check`'s unpacked rivals.
export CTS_BUILD=${CTS_BUILD:-$PWD/build}
export CTS_SRC=${CTS_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
runs=5 flows=200000 join_limit=60 results= what="flows ticks burst bulk lag join" before= whose="ours rival"
while getopts n:f:j:o:w:b:r opt; do
	case $opt in
	n) runs=$OPTARG ;;
	f) flows=$OPTARG ;;
	j) join_limit=$OPTARG ;;
	o) results=$OPTARG ;;
	w) what=$OPTARG ;;
	b) before=$(cd "$OPTARG" && pwd) ;;
	r) whose=ours ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
transports=${*:-udp multicast tcp cpg}
whose="${before:+before }$whose"
. "$CTS_SRC/bench/lib.sh"
need_programs "$whose" flowgen lag
[[ $transports != *cpg* ]] || . "$CTS_SRC/tests/lab/corosync.sh"

wire_bytes()
{
	in_ns a cat /sys/class/net/sync0/statistics/tx_bytes
}

corosync_us()    # both corosyncs, all their threads
{
	local p
	[ "$transport" = cpg ] || return
	for p in "${corosync_pid[@]}"; do
		cat "/proc/$p/task/"*/schedstat
	done | awk '{ us += $1 / 1000 } END { print int(us) }'
}

held()           # WHO: entries in b's external cache
{
	client "$1" b -s cache 2>/dev/null | awk '/external/ { e = 1 } e && /active.*:/ { gsub(/[^0-9 ]/, " "); print $1; exit }'
}

settled()        # the number does not change any more
{
	local now
	now=$(held "$1")
	[ "$now" = "${last_held:-}" ] && [ "${now:-0}" -gt 0 ] && stable=$((stable + 1)) || stable=0
	last_held=$now
	[ "$now" = "$flows" ] || [ $stable -ge 20 ]
}

flow_run()       # WHO TRANSPORT paced|burst [flowgen options]
{
	local who=$1 transport=$2 kind=$3 a0 b0 a1 b1 w0 w1 ra rb c0
	shift 3
	nodes "$who" "$transport"
	c0=$(corosync_us)
	a0=$(cpu_us $pid_a) b0=$(cpu_us $pid_b) w0=$(wire_bytes) ra=$(rss_kb $pid_a) rb=$(rss_kb $pid_b)
	in_ns a "$build/bench/flowgen" create "$flows" "$@" >/dev/null
	stable=0 last_held=
	await 30 settled "$who"
	a1=$(cpu_us $pid_a) b1=$(cpu_us $pid_b) w1=$(wire_bytes)
	note "$transport" "$who" "${kind}_complete_percent" "$(awk "BEGIN { print $last_held * 100 / $flows }")"
	note "$transport" "$who" "${kind}_cpu_sender_us" "$(awk "BEGIN { print ($a1 - $a0) / $flows }")"
	note "$transport" "$who" "${kind}_cpu_receiver_us" "$(awk "BEGIN { print ($b1 - $b0) / ($last_held + 1) }")"
	note "$transport" "$who" "${kind}_wire_bytes" "$(awk "BEGIN { print ($w1 - $w0) / ($last_held + 1) }")"
	[ "$transport" != cpg ] ||
		note cpg "$who" "${kind}_cpu_corosync_us" "$(awk "BEGIN { print ($(corosync_us) - $c0) / $flows }")"
	if [ "$kind" = paced ]; then
		note "$transport" "$who" rss_owner_bytes "$(awk "BEGIN { print ($(rss_kb $pid_a) - $ra) * 1024 / $flows }")"
		note "$transport" "$who" rss_replica_bytes "$(awk "BEGIN { print ($(rss_kb $pid_b) - $rb) * 1024 / ($last_held + 1) }")"
		local t0 t1
		# As in earnest: the owner is gone. (And one listener less: those of
		# other namespaces make the kernel build event messages as well.)
		kill -9 $pid_a
		wait $pid_a 2>/dev/null
		t0=$(date +%s%N)
		client "$who" b -c >/dev/null
		await 10 committed
		t1=$(date +%s%N)
		note "$transport" "$who" commit_s "$(awk "BEGIN { print ($t1 - $t0) / 1e9 }")"
	fi
	down
}

committed()
{
	[ "$(in_ns b "$conntrack" -C)" -ge "$last_held" ]
}

bulk_run()       # WHO TRANSPORT: b starts when a has everything
{
	local who=$1 transport=$2 t0 t1 a0 b1
	nodes "$who" "$transport"
	in_ns a "$build/bench/flowgen" create "$flows" >/dev/null
	stable=0 last_held=
	await 30 settled "$who"
	kill -9 $pid_b
	wait $pid_b 2>/dev/null
	rm -f "$tmp"/b.lock "$tmp"/b.sock
	a0=$(cpu_us $pid_a)
	t0=$(date +%s%N)
	start "$who" b
	pid_b=$daemon_pid
	[ "$who" != rival ] || client "$who" b -n
	stable=0 last_held=
	await 30 settled "$who"
	t1=$(date +%s%N)
	b1=$(cpu_us $pid_b)
	note "$transport" "$who" bulk_complete_percent "$(awk "BEGIN { print $last_held * 100 / $flows }")"
	note "$transport" "$who" bulk_s "$(awk "BEGIN { print ($t1 - $t0) / 1e9 }")"
	note "$transport" "$who" bulk_cpu_sender_us "$(awk "BEGIN { print ($(cpu_us $pid_a) - $a0) / $flows }")"
	note "$transport" "$who" bulk_cpu_receiver_us "$(awk "BEGIN { print $b1 / ($last_held + 1) }")"
	down
}

lag_run()        # WHO TRANSPORT
{
	local out a0 b0
	nodes "$1" "$2" inject
	a0=$(cpu_us $pid_a) b0=$(cpu_us $pid_b)
	out=$(in_ns a "$build/bench/lag" "$prefix-b" 50000 10000)
	note "$2" "$1" lag_cpu_sender_us "$(awk "BEGIN { print ($(cpu_us $pid_a) - $a0) / 50000 }")"
	note "$2" "$1" lag_cpu_receiver_us "$(awk "BEGIN { print ($(cpu_us $pid_b) - $b0) / 50000 }")"
	note "$2" "$1" lag_p50_us "$(sed -n 's/.*p50_us=\([0-9]*\).*/\1/p' <<<"$out")"
	note "$2" "$1" lag_p99_us "$(sed -n 's/.*p99_us=\([0-9]*\).*/\1/p' <<<"$out")"
	down
}

# -- transfers to a joining node --

# What the nodes hand to the link, whatever becomes of it there, and what is lost on it.
count_and_lose() # PERCENT
{
	local n drop=
	[ "$1" = 0 ] || drop="numgen random mod 100 < $1 drop"
	for n in a b; do
		in_ns $n nft -f - <<-NFT || fail "nft"
		table ip bench {
		  counter sent { }
		  chain out { type filter hook output priority 0; oifname "sync0" counter name sent; }
		  chain in { type filter hook input priority 0; iifname "sync0" $drop; }
		}
		NFT
	done
}

# A switch's port: 100 Mbit/s and 128 KiB in front of it, in both directions.
slow_port()
{
	local n
	for n in a b; do
		tc -n "$prefix-$n" qdisc add dev sync0 root tbf rate 100mbit burst 16kb limit 131072 || fail "tc"
	done
}

sent_bytes()     # both nodes, with IP headers
{
	{ in_ns a nft list counter ip bench sent; in_ns b nft list counter ip bench sent; } |
		awk '/bytes/ { for (i = 1; i < NF; i++) if ($i == "bytes") sum += $(i + 1) } END { print sum }'
}

resets()         # WHO: times that a's stream started over
{
	[ "$1" != rival ] || { echo nan; return; }
	client "$1" a -s queue | awk '/rsqueue/ { r = 1 } r && /not enough space/ { print $NF; exit }'
}

joined()         # WHO
{
	last_held=$(held "$1")
	[ "${last_held:-0}" = "$flows" ]
}

join_run()       # WHO TRANSPORT clean|loss10|loss30|slow: b comes back without anything
{
	local who=$1 transport=$2 kind=$3 t0 t1 s0 r0 a0
	nodes "$who" "$transport"
	in_ns a "$build/bench/flowgen" create "$flows" >/dev/null
	stable=0 last_held=
	await 30 settled "$who"
	kill -9 $pid_b
	wait $pid_b 2>/dev/null
	rm -f "$tmp"/b.lock "$tmp"/b.sock
	case $kind in
	loss*) count_and_lose "${kind#loss}" ;;
	*) count_and_lose 0 ;;
	esac
	[ "$kind" != slow ] || slow_port
	s0=$(sent_bytes) r0=$(resets "$who") a0=$(cpu_us $pid_a)
	t0=$(date +%s%N)
	start "$who" b
	[ "$who" != rival ] || client "$who" b -n
	await $join_limit joined "$who"
	t1=$(date +%s%N)
	note "$transport" "$who" "join_${kind}_complete_percent" "$(awk "BEGIN { print ${last_held:-0} * 100 / $flows }")"
	note "$transport" "$who" "join_${kind}_s" "$(awk "BEGIN { print ($t1 - $t0) / 1e9 }")"
	note "$transport" "$who" "join_${kind}_mb" "$(awk "BEGIN { print ($(sent_bytes) - $s0) / 1e6 }")"
	note "$transport" "$who" "join_${kind}_cpu_sender_us" "$(awk "BEGIN { print ($(cpu_us $pid_a) - $a0) / $flows }")"
	note "$transport" "$who" "join_${kind}_resets" "$(awk "BEGIN { print $(resets "$who") - $r0 }")"
	down
}

run_of()         # WHO TRANSPORT: all that was asked for
{
	local kind
	[[ $what != *flows* ]] || flow_run "$1" "$2" paced --pace 20000
	[[ $what != *ticks* ]] || flow_run "$1" "$2" ticks --pace 20000 --tick 20
	[[ $what != *burst* ]] || flow_run "$1" "$2" burst
	[[ $what != *bulk* ]] || bulk_run "$1" "$2"
	[[ $what != *lag* ]] || lag_run "$1" "$2"
	[[ $what == *join* ]] || return 0
	for kind in clean loss10 loss30 slow; do
		# corosync has its own way with loss, tests/functional/cpg.sh has that
		[ "$2" != cpg ] || [ $kind = clean ] || continue
		join_run "$1" "$2" $kind
	done
}

for transport in $transports; do
	for run in $(seq "$runs"); do
		for who in $whose; do
			[ "$who" != rival ] || [ "$transport" != cpg ] || continue
			echo "run $run of $runs, $transport, $who" >&2
			run_of "$who" "$transport"
		done
	done
done
python3 "$CTS_SRC/bench/table.py" "$results"
