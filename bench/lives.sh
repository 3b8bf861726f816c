#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whole lives of real TCP connections, SYN to FIN, from four clients through a masquerading
# firewall that replicates to another one: 4,000 a second and at full speed; ours, the
# established daemon and none at all in one run. Prints what a life costs either daemon in
# CPU time, and the share of its connection rate that the firewall keeps.
#   bench/lives.sh [-n RUNS] [-l LIVES] [-o RESULTS] [-t TRANSPORT] [-e EVENTS] [-b BUILD] [-r]
# -e: what the ruleset has the kernel report, as in "new,related,destroy,assured,mark" (all);
# -b: a second build of ours, to see what a change does; -r: without the established daemon.
# Needs root, a build (CTS_BUILD, else ./build) and `quickstart check`'s unpacked rivals.
export CTS_BUILD=${CTS_BUILD:-$PWD/build}
export CTS_SRC=${CTS_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
runs=5 lives=60000 results= transport=udp events= before= whose="ours rival"
while getopts n:l:o:t:e:b:r opt; do
	case $opt in
	n) runs=$OPTARG ;;
	l) lives=$OPTARG ;;
	o) results=$OPTARG ;;
	t) transport=$OPTARG ;;
	e) events=$OPTARG ;;
	b) before=$(cd "$OPTARG" && pwd) ;;
	r) whose=ours ;;
	*) exit 2 ;;
	esac
done
whose="none ${before:+before }$whose"
clients="1 2 3 4"
ports=16         # of the server: one address alone masquerades 64,512 connections to each
pace=4000        # lives a second, of all clients
at_once=64       # of each client
. "$CTS_SRC/bench/lib.sh"
need_programs "$whose" lives

# Clients, each behind a cable of its own, the firewall a, a server. Sets no daemon up.
firewall()
{
	local c
	ns a b server
	link a wan server eth0
	ip -n "$prefix-a" addr add 10.2.0.1/24 dev wan
	ip -n "$prefix-server" addr add 10.2.0.2/24 dev eth0
	for c in $clients; do
		ns c$c
		link a lan$c c$c eth0
		ip -n "$prefix-a" addr add 10.1.$c.1/24 dev lan$c
		ip -n "$prefix-c$c" addr add 10.1.$c.2/24 dev eth0
		ip -n "$prefix-c$c" route add default via 10.1.$c.1
		# Ports come free again while the run lasts.
		in_ns c$c sysctl -q -w net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1
	done
	in_ns a sysctl -q -w net.ipv4.ip_forward=1
	in_ns a nft -f - <<-NFT || fail "nft"
	table ip fw {
	  $([ -z "$events" ] || echo "chain in { type filter hook prerouting priority -150; ct event set $events; }")
	  chain forward {
	    type filter hook forward priority filter; policy drop;
	    ct state established,related accept
	    iifname "lan*" ct state new accept
	  }
	  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
	}
	NFT
	ip netns exec "$prefix-server" "$build/bench/lives" serve 10.2.0.2 5000 $ports &
	pids+=($!)
	await 5 listening || fail "the server does not listen"
}

listening()
{
	[ "$(in_ns server ss -Hltn | wc -l)" = $ports ]
}

run_clients()    # PACE: all of them; their rates are added up in $rate, lives in $lived
{
	local c run=()
	for c in $clients; do
		in_ns c$c "$build/bench/lives" run 10.2.0.2 5000 $ports $((lives / 4)) $at_once $(($1 / 4)) >"$tmp/c$c.out" &
		run+=($!)
	done
	wait "${run[@]}"
	lived=$(cat "$tmp"/c?.out | awk -F'[= ]' '{ n += $2 } END { print n }')
	rate=$(cat "$tmp"/c?.out | awk -F'[= ]' '{ n += $8 } END { print n }')
}

events_of()      # WHO: events that the firewall's daemon was sent; the established one does not say
{
	[ "$1" != rival ] || { echo nan; return; }
	client "$1" a -s runtime 2>/dev/null | awk '/events received/ { print $NF; exit }'
}

at_rest()        # neither daemon used CPU time since the last look
{
	local now="$(cpu_us "$pid_a") $(cpu_us "$pid_b")"
	local a b c d
	read -r a b <<<"$now" && read -r c d <<<"${last_cpu:-0 0}"
	last_cpu=$now
	[ $((a - c)) -lt 2000 ] && [ $((b - d)) -lt 2000 ]
}

lives_run()      # WHO paced_life|full PACE
{
	local who=$1 kind=$2 a0 b0 e0
	firewall
	if [ "$who" != none ]; then
		nodes "$who" "$transport"
		a0=$(cpu_us $pid_a) b0=$(cpu_us $pid_b) e0=$(events_of "$who")
	fi
	run_clients "$3"
	note "$transport" "$who" "${kind}_complete_percent" "$(awk "BEGIN { print $lived * 100 / $lives }")"
	note "$transport" "$who" "${kind}_rate" "$rate"
	[ "$who" != none ] || none_rate=$rate
	note "$transport" "$who" "${kind}_rate_kept_percent" "$(awk "BEGIN { print $rate * 100 / $none_rate }")"
	if [ "$who" != none ]; then
		last_cpu=
		await 20 at_rest
		note "$transport" "$who" "${kind}_cpu_sender_us" "$(awk "BEGIN { print ($(cpu_us $pid_a) - $a0) / $lived }")"
		note "$transport" "$who" "${kind}_cpu_receiver_us" "$(awk "BEGIN { print ($(cpu_us $pid_b) - $b0) / $lived }")"
		[ "${e0:-nan}" = nan ] ||
			note "$transport" "$who" "${kind}_events" "$(awk "BEGIN { print ($(events_of "$who") - $e0) / $lived }")"
	fi
	down
}

for run in $(seq "$runs"); do
	for kind in full paced_life; do
		for who in $whose; do
			echo "run $run of $runs, $kind, $who" >&2
			lives_run "$who" $kind $([ $kind = full ] && echo 0 || echo $pace)
		done
	done
done
python3 "$CTS_SRC/bench/table.py" "$results"
