#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Replication, ours beside the established daemon's, in one run: 200,000 flows paced,
# in a burst, as bulk; commit; lag. Prints a table of medians, ratios and targets. The
# established daemon has no cpg; there the CPU of corosync itself is a figure of its own.
#   bench/replication.sh [-n RUNS] [-f FLOWS] [-o RESULTS] [udp|multicast|tcp|cpg ...]
# Needs root, a build (CTS_BUILD, else ./build) and `quickstart check`'s unpacked rivals.
export CTS_BUILD=${CTS_BUILD:-$PWD/build}
export CTS_SRC=${CTS_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
. "$CTS_SRC/tests/functional/lib.sh"
runs=5 flows=200000 results=$tmp/results
while getopts n:f:o: opt; do
	case $opt in
	n) runs=$OPTARG ;;
	f) flows=$OPTARG ;;
	o) results=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
transports=${*:-udp multicast tcp cpg}
[[ $transports != *cpg* ]] || . "$CTS_SRC/tests/lab/corosync.sh"
rival=$build/rivals/usr/sbin/conntrackd
rival_libs=$(echo "$build"/rivals/usr/lib/*-linux-gnu)
[ -x "$rival" ] || fail "no $rival: run ./quickstart check first"
[ -x "$build/bench/flowgen" ] && [ -x "$build/bench/lag" ] ||
	fail "no $build/bench/flowgen: make -C $build bench/flowgen bench/lag"
: >"$results"

rival_config()   # NAME OWN PEER TRANSPORT [inject]
{
	cat >"$tmp/$1.cfg" <<-CFG
	Sync {
	  Mode FTFW {
	    ResendQueueSize 131072
	    $([ "${5:-}" = inject ] && echo "DisableExternalCache On")
	  }
	$(if [ "$4" != multicast ]; then echo "  ${4^^} {
	    IPv4_address $2
	    IPv4_Destination_Address $3
	    Port 3780
	    Interface sync0
	    SndSocketBuffer 8388608
	    RcvSocketBuffer 8388608
	    Checksum on
	  }"; else echo "  Multicast {
	    IPv4_address 225.0.0.50
	    Group 3780
	    IPv4_interface $2
	    Interface sync0
	    SndSocketBuffer 8388608
	    RcvSocketBuffer 8388608
	    Checksum on
	  }"; fi)
	}
	General {
	  HashSize 65536
	  HashLimit 524288
	  LockFile $tmp/$1.lock
	  UNIX { Path $tmp/$1.sock }
	  NetlinkBufferSize 2097152
	  NetlinkBufferSizeMaxGrowth 268435456
	  Systemd off
	}
	CFG
}

our_config()     # the same, in ours
{
	sync_transport=$4
	config "$1" "$2" "$3" sync0 "$([ "${5:-}" = inject ] && echo 'external_cache = false;')"
}

start()          # WHO NAME: its pid is in $daemon_pid
{
	local program=$conntrackd libs=
	[ "$1" = ours ] || program=$rival libs=$rival_libs
	ip netns exec "$prefix-$2" env ${libs:+LD_LIBRARY_PATH=$libs} "$program" -C "$tmp/$2.cfg" >>"$tmp/$2.log" 2>&1 &
	daemon_pid=$!
	pids+=($daemon_pid)
	await 10 client "$1" "$2" -s || fail "$1: $2 did not start"
}

client()         # WHO NAME ARGS
{
	local program=$conntrackd libs= who=$1 name=$2
	shift 2
	[ "$who" = ours ] || program=$rival libs=$rival_libs
	ip netns exec "$prefix-$name" env ${libs:+LD_LIBRARY_PATH=$libs} "$program" -C "$tmp/$name.cfg" "$@"
}

cpu_us()         # what the scheduler counted for a process, in microseconds
{
	awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"
}

corosync_us()    # both corosyncs, all their threads
{
	local p
	[ "$transport" = cpg ] || return
	for p in "${corosync_pid[@]}"; do
		cat "/proc/$p/task/"*/schedstat
	done | awk '{ us += $1 / 1000 } END { print int(us) }'
}

rss_kb()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

wire_bytes()
{
	in_ns a cat /sys/class/net/sync0/statistics/tx_bytes
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

note()           # TRANSPORT WHO WHAT VALUE
{
	echo "$*" >>"$results"
}

nodes()          # WHO TRANSPORT [inject]
{
	ns a b
	link a sync0 b sync0
	ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
	ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
	ip -n "$prefix-a" route add 225.0.0.50 dev sync0
	ip -n "$prefix-b" route add 225.0.0.50 dev sync0
	[ "$2" != cpg ] || corosync_cluster a 10.9.0.1 b 10.9.0.2
	local c=our_config
	[ "$1" = ours ] || c=rival_config
	$c a 10.9.0.1 10.9.0.2 "$2" "${3:-}"
	$c b 10.9.0.2 10.9.0.1 "$2" "${3:-}"
	start "$1" a
	pid_a=$daemon_pid
	start "$1" b
	pid_b=$daemon_pid
	if [ "$1" = ours ]; then
		await 20 in_sync a && await 20 in_sync b || fail "ours: not in sync"
	else
		read -r -t 2 <> <(:)   # it tells nobody when it is ready
	fi
}

down()
{
	local p n
	for p in "${pids[@]}"; do
		kill -9 "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	for n in "${spaces[@]}"; do
		ip netns del "$n"
	done
	pids=() spaces=()
	rm -f "$tmp"/*.lock "$tmp"/*.sock
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
		note cpg ours "${kind}_cpu_corosync_us" "$(awk "BEGIN { print ($(corosync_us) - $c0) / $flows }")"
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
	[ "$who" = ours ] || client "$who" b -n
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
	local out
	nodes "$1" "$2" inject
	out=$(in_ns a "$build/bench/lag" "$prefix-b" 50000 10000)
	note "$2" "$1" lag_p50_us "$(sed -n 's/.*p50_us=\([0-9]*\).*/\1/p' <<<"$out")"
	note "$2" "$1" lag_p99_us "$(sed -n 's/.*p99_us=\([0-9]*\).*/\1/p' <<<"$out")"
	down
}

for transport in $transports; do
	for run in $(seq "$runs"); do
		for who in ours rival; do
			[ "$who" = ours ] || [ "$transport" != cpg ] || continue
			echo "run $run of $runs, $transport, $who" >&2
			flow_run $who "$transport" paced --pace 20000
			flow_run $who "$transport" burst
			bulk_run $who "$transport"
			lag_run $who "$transport"
		done
	done
done
python3 "$CTS_SRC/bench/table.py" "$results"
