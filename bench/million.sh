#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a table of 1,000,000 flows costs: idle CPU with reconciliation and digests on,
# the longest turn of the event loop, commit. nf_conntrack_max and
# the buckets are raised for the time and put back on every way out.
#   bench/million.sh [-f FLOWS] [-s IDLE SECONDS]
export CTS_BUILD=${CTS_BUILD:-$PWD/build}
export CTS_SRC=${CTS_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
. "$CTS_SRC/tests/functional/lib.sh"
flows=1000000 idle=120
while getopts f:s: opt; do
	case $opt in
	f) flows=$OPTARG ;;
	s) idle=$OPTARG ;;
	*) exit 2 ;;
	esac
done
[ -x "$build/bench/flowgen" ] || fail "no $build/bench/flowgen: make -C $build bench/flowgen"

# As an operator of such a table would have them: limit and buckets.
limits=/proc/sys/net/netfilter/nf_conntrack
max_was=$(cat ${limits}_max) buckets_was=$(cat ${limits}_buckets)
trap 'echo "$buckets_was" >${limits}_buckets; echo "$max_was" >${limits}_max; cleanup' EXIT
[ "$buckets_was" -ge "$flows" ] || echo "$flows" >${limits}_buckets
[ "$max_was" -ge $((flows + 100000)) ] || echo $((flows + 100000)) >${limits}_max

cpu_us()         # what the scheduler counted for a process, in microseconds
{
	awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"
}

longest()
{
	ask "$1" -s runtime | awk '/longest turn/ { print $NF }'
}

has()            # NAME internal|external COUNT
{
	[ "$(ask "$1" -s cache | awk -v w="$2" '$0 ~ w { e = 1 } e && /active objects/ { print $NF; exit }')" = "$3" ]
}

say()
{
	printf '%-44s %12s %s\n' "$@"
}

two_nodes 'purge_timeout = 3600;'
in_ns a "$build/bench/flowgen" create "$flows" >/dev/null || fail "flowgen"
await 120 has b external "$flows" || fail "not replicated: $(ask b -s cache)"
say "replicated" "$flows" flows
say "longest turn while replicating, owner" "$(longest a)" us
say "longest turn while replicating, replica" "$(longest b)" us
a0=$(cpu_us "$pid_a") b0=$(cpu_us "$pid_b")
read -r -t "$idle" <> <(:)
say "idle CPU, owner" "$(awk "BEGIN { print ($(cpu_us "$pid_a") - $a0) / $idle / 10000 }")" "% of a core"
say "idle CPU, replica" "$(awk "BEGIN { print ($(cpu_us "$pid_b") - $b0) / $idle / 10000 }")" "% of a core"
say "longest turn so far, owner" "$(longest a)" us
kill -9 "$pid_a"
wait "$pid_a" 2>/dev/null
t0=$(date +%s%N)
ask b --promote >/dev/null || fail "promote"
t1=$(date +%s%N)
say "promote, command to exit" "$(awk "BEGIN { print ($t1 - $t0) / 1e9 }")" s
say "longest turn so far, replica" "$(longest b)" us
