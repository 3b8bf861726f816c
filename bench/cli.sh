#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line tool beside the established one, in one run and the same namespace:
# list in all forms, beside a raw dump too; delete, update, load, events, start-up. Prints medians of time, CPU and memory, ratios
# and targets. Memory needs GNU time. For more flows than fit, nf_conntrack_max and the
# buckets are raised for the time. Sources are 100,000 at most. -p PRIORITY takes a real-time
# priority for what is measured, so that a busy machine tells more of the tools than of the others.
#   bench/cli.sh [-n RUNS] [-f FLOWS] [-p PRIORITY] [ROW...]
#   bench/cli.sh -f 1000000 by-src
# Needs root, a build (CTS_BUILD, else ./build) and `quickstart check`'s unpacked rivals.
export CTS_BUILD=${CTS_BUILD:-$PWD/build}
export CTS_SRC=${CTS_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
. "$CTS_SRC/tests/functional/lib.sh"
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
runs=5 flows=200000 as=
while getopts n:f:p: opt; do
	case $opt in
	n) runs=$OPTARG ;;
	f) flows=$OPTARG ;;
	p) as="chrt -f $OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
rows=" $* "
wanted() { [[ $rows = "  " || $rows = *" $1 "* ]]; }
ours=$build/.libs/conntrack
rival=$build/rivals/usr/sbin/conntrack
[ -x "$build/bench/rawdump" ] || fail "no $build/bench/rawdump: make -C $build bench/flowgen bench/rawdump"
[ -x "$rival" ] || fail "no $rival: run ./quickstart check first"
# As an operator of such a table would have them: limit and buckets.
limits=/proc/sys/net/netfilter/nf_conntrack
max_was=$(cat ${limits}_max) buckets_was=$(cat ${limits}_buckets)
trap 'echo "$buckets_was" >${limits}_buckets; echo "$max_was" >${limits}_max; cleanup' EXIT
[ "$flows" -le 250000 ] || [ "$buckets_was" -ge "$flows" ] || echo "$flows" >${limits}_buckets
[ "$max_was" -ge $((flows + 1000)) ] || echo $((flows + 1000)) >${limits}_max
gnu_time=$(type -P time)
ns a
: >"$tmp/results"

awk -v n="$flows" 'BEGIN { for (i = 0; i < n; i++) {
	s = i % 100000
	a = "10." int(s / 65536) "." int(s / 256) % 256 "." s % 256
	p = 1024 + s % 60000 + int(i / 100000)
	printf "-A -t 1000 -u SEEN_REPLY,ASSURED -s %s -d 192.168.1.1 -r 192.168.1.1 -q %s -p tcp ", a, a
	printf "--sport %d --dport 80 --reply-port-src 80 --reply-port-dst %d --state ESTABLISHED\n", p, p
} }' >"$tmp/lines"
# What a log of events looks like: made, changed, gone.
awk 'BEGIN { for (i = 0; i < 300; i++) {
	x = "-s 6.0." int(i / 256) "." i % 256 " -d 2.2.2.2 -p udp --sport 1 --dport 2"
	print "-A -t 1000 " x; print "-U -f ipv4 " x " -m 5"; print "-D " x } }' >"$tmp/mixed"
head -n 1000000 "$tmp/lines" | awk 'NR % 20 == 1 { print $6, $7, $8, $9 }' | head -n 10000 >"$tmp/selections"
: >"$tmp/empty"

full() { in_ns a "$ours" -F && in_ns a "$ours" -R "$tmp/lines"; } 2>/dev/null
empty() { in_ns a "$ours" -F; } 2>/dev/null

# measure WHAT WHO COMMAND...: seconds, CPU seconds, KiB
measure()
{
	local what=$1 who=$2 TIMEFORMAT='%R %U %S' kib=nan
	wanted "$what" || return 0
	shift 2
	: >"$tmp/kib"
	# shellcheck disable=SC2086
	{ time $as ip netns exec "$prefix-a" ${gnu_time:+"$gnu_time" -q -f %M -o "$tmp/kib"} "$@" \
		>"$tmp/output" 2>"$tmp/said.log"; } 2>"$tmp/time"
	[ -s "$tmp/kib" ] && kib=$(tail -n 1 "$tmp/kib")
	awk -v w="$what $who" -v k="$kib" '{ print w, $1, $2 + $3, k }' "$tmp/time" >>"$tmp/results"
}

each() # WHAT PREPARE COMMAND...: ours and the rival's in turn
{
	local what=$1 prepare=$2
	wanted "$what" || return 0
	shift 2
	$prepare
	measure "$what" ours "$ours" "$@"
	$prepare
	measure "$what" rival "$rival" "$@"
}

cat >"$tmp/start_many" <<'END'
#!/bin/sh
i=0
while [ $i -lt 100 ]; do
	"$1" -C
	i=$((i + 1))
done
END
chmod +x "$tmp/start_many"

# -E while as many flows are made at full speed: what it costs, and the lines it lost.
burst()          # WHO COMMAND
{
	local who=$1 program=$2 pid lines
	wanted events || return 0
	empty
	: >"$tmp/kib"
	ip netns exec "$prefix-a" ${gnu_time:+"$gnu_time" -q -f "%e %U %S %M" -o "$tmp/kib"} \
		"$program" -E >"$tmp/output" 2>"$tmp/said.log" &
	pid=$!
	pids+=($pid)
	await 10 listens || fail "$who: -E does not listen"
	in_ns a "$build/bench/flowgen" create "$flows" >/dev/null || fail "flowgen"
	stable=0 last=
	await 60 quiet
	pkill -INT -P "$pid" 2>/dev/null || kill -INT "$pid"
	wait "$pid" 2>/dev/null
	lines=$(wc -l <"$tmp/output")
	echo "$who: $lines of $flows events" >&2
	[ -z "$gnu_time" ] || tail -n 1 "$tmp/kib" |
		awk -v w="events $who" '{ print w, $1, $2 + $3, $4 }' >>"$tmp/results"
	echo "events-lost $who $(awk "BEGIN { print ($flows - $lines) * 100 / $flows }") 0 0" >>"$tmp/results"
}

listens()
{
	in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink
}

quiet()          # nothing new came for a while
{
	local now
	now=$(stat -c %s "$tmp/output")
	[ "$now" = "$last" ] && stable=$((stable + 1)) || stable=0
	last=$now
	[ $stable -ge 25 ]
}

for ((run = 0; run < runs; run++)); do
	full
	each list true -L
	measure list-raw ours "$ours" -L
	measure list-raw rival "$build/bench/rawdump"
	measure xml-raw ours "$ours" -L -o xml
	measure xml-raw rival "$build/bench/rawdump"
	measure by-src ours "$ours" -L --by src --top 20
	measure by-src rival "$build/bench/rawdump"
	each list-extended true -L -o extended
	each list-xml true -L -o xml
	each list-save true -L -o save
	measure list-json ours "$ours" -L -o json
	# The other tool ends this with "No buffer space available" after some hundred.
	measure update ours "$ours" -U -f ipv4 -p tcp -m $((run + 1))
	each delete full -D -p tcp
	each load empty -R "$tmp/lines"
	# What the kernel alone takes for as many entries, beside the same load of ours.
	if wanted load-kernel; then
		empty
		measure load-kernel ours "$build/bench/flowgen" create "$flows"
		empty
		measure load-kernel rival "$rival" -R "$tmp/lines"
	fi
	each mixed empty -R "$tmp/mixed"
	measure start ours "$tmp/start_many" "$ours"
	measure start rival "$tmp/start_many" "$rival"
	burst ours "$ours"
	burst rival "$rival"
	! wanted list-10000 && ! wanted list-none || full
	measure list-10000 ours "$ours" -L --filter-file "$tmp/selections"
	measure list-none ours "$ours" -L --filter-file "$tmp/empty"
done
sort -k1,2 "$tmp/results" | awk '
	function median(list, n,   v, i, k, t) {
		split(list, v)
		for (i = 2; i <= n; i++)
			for (k = i; k > 1 && v[k] + 0 < v[k - 1] + 0; k--) { t = v[k]; v[k] = v[k - 1]; v[k - 1] = t }
		return v[int((n + 1) / 2)]
	}
	function ratio(a, b) { return b > 0 ? sprintf("%.2f", a / b) : "-" }
	BEGIN {
		target["list"] = "0.6"; target["list-raw"] = target["xml-raw"] = "1.15 of a raw dump"
		target["by-src"] = "1.3 of a raw dump, 20480 KiB"; target["list-xml"] = "0.55"
		target["events-lost"] = "0 (percent)"; target["delete"] = "0.3"
		target["load"] = "0.2, memory 0.05"; target["load-kernel"] = "the kernel alone: load cannot be below"
		target["start"] = "1.0 (100 starts)"
		printf "%-14s %21s %21s %21s   %s\n", "", "seconds", "CPU seconds", "KiB", "target"
		printf "%-14s %s %s %s\n", "", "   ours   rival ratio", "   ours   rival ratio", "   ours   rival ratio"
	}
	{ n[$1, $2]++; for (i = 3; i <= 5; i++) all[$1, $2, i] = all[$1, $2, i] " " $i; seen[$1] }
	END {
		for (w in seen) {
			printf "%-14s", w
			for (i = 3; i <= 5; i++) {
				o = median(all[w, "ours", i], n[w, "ours"])
				r = n[w, "rival"] ? median(all[w, "rival", i], n[w, "rival"]) : 0
				printf i < 5 ? " %7.3f %7.3f %5s" : " %7d %7d %5s", o, r, ratio(o, r)
			}
			printf "   %s\n", target[w]
		}
	}' | { IFS= read -r a; IFS= read -r b; printf '%s\n%s\n' "$a" "$b"; sort; }
