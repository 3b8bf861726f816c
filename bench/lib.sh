# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the benchmarks that run daemons: ours, the established one ("rival", which
# ./quickstart check unpacks), and a second build of ours ("before"), each in two namespaces
# a and b that a sync link joins. A benchmark sets $before and maybe $results and sources this.
. "$CTS_SRC/tests/functional/lib.sh"
rival=$build/rivals/usr/sbin/conntrackd
rival_libs=$(echo "$build"/rivals/usr/lib/*-linux-gnu)
: >"${results:=$tmp/results}"

need_programs()  # WHOSE PROGRAM...: what cannot be done without
{
	local p
	[[ $1 != *rival* ]] || [ -x "$rival" ] || fail "no $rival: run ./quickstart check first"
	[[ $1 != *before* ]] || [ -x "$before/.libs/conntrackd" ] || fail "no conntrackd in $before"
	shift
	for p in "$@"; do
		[ -x "$build/bench/$p" ] || fail "no $build/bench/$p: make -C $build bench/$p"
	done
}

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

program_of()     # WHO: the command line of its program is in $program
{
	case $1 in
	ours) program=("$conntrackd") ;;
	before) program=(env "LD_LIBRARY_PATH=$before/.libs" "CTS_PLUGIN_PATH=$before/.libs" "$before/.libs/conntrackd") ;;
	rival) program=(env "LD_LIBRARY_PATH=$rival_libs" "$rival") ;;
	esac
}

start()          # WHO NAME: its pid is in $daemon_pid
{
	local program
	program_of "$1"
	# ip and env exec what they start, so that the pid is the daemon's
	ip netns exec "$prefix-$2" "${program[@]}" -C "$tmp/$2.cfg" >>"$tmp/$2.log" 2>&1 &
	daemon_pid=$!
	pids+=($daemon_pid)
	await 10 client "$1" "$2" -s || fail "$1: $2 did not start"
}

client()         # WHO NAME ARGS
{
	local program name=$2
	program_of "$1"
	shift 2
	ip netns exec "$prefix-$name" "${program[@]}" -C "$tmp/$name.cfg" "$@"
}

synced()         # WHO NAME: all its peers are in sync, says one of ours
{
	client "$1" "$2" --status
}

cpu_us()         # what the scheduler counted for a process, in microseconds
{
	awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"
}

rss_kb()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

note()           # TRANSPORT WHO WHAT VALUE
{
	echo "$*" >>"$results"
}

nodes()          # WHO TRANSPORT [inject]
{
	[ -e "/run/netns/$prefix-a" ] || ns a b
	link a sync0 b sync0
	ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
	ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
	ip -n "$prefix-a" route add 225.0.0.50 dev sync0
	ip -n "$prefix-b" route add 225.0.0.50 dev sync0
	[ "$2" != cpg ] || corosync_cluster a 10.9.0.1 b 10.9.0.2
	local c=our_config
	[ "$1" != rival ] || c=rival_config
	$c a 10.9.0.1 10.9.0.2 "$2" "${3:-}"
	$c b 10.9.0.2 10.9.0.1 "$2" "${3:-}"
	start "$1" a
	pid_a=$daemon_pid
	start "$1" b
	pid_b=$daemon_pid
	if [ "$1" != rival ]; then
		await 20 synced "$1" a && await 20 synced "$1" b || fail "$1: not in sync"
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
