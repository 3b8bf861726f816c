#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What happens to connections: 20,000 flows/s through one, then under churn its link
# cut for 5 s, its peer killed, its peer gone without a word, and 100 times broken.
# The caches agree after each; the daemon keeps no descriptor and no memory.
CTS_TRANSPORT=tcp
. "$(dirname "$0")/lib.sh"
paced_seconds=${PACED_SECONDS:-10}
command -v ss >/dev/null || skip "ss is needed"

base=0
churn()          # SECONDS: in the background, $gen; new flows each time
{
	base=$((base + 1000000))
	ip netns exec "$prefix-a" "$build/bench/flowgen" churn $(($1 * 1000)) --pace 2000 --window 2000 \
		--base $base >"$tmp/gen" &
	gen=$!
	pids+=($gen)
}

settled()        # WHAT
{
	wait "$gen" || fail "$1: flowgen"
	await 10 agree || fail "$1: tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
	echo "$1: caches agree"
}

# a's connections, by their ports; empty: none
connections()
{
	in_ns a ss -Htn state established '( sport = 3780 or dport = 3780 )' | awk '{ print $3, $4 }'
}

link_up()        # as a's daemon sees it
{
	ask a --status --json | grep -A12 '"plugin": "tcp"' | grep -m1 '"up"' | grep -q true
}

link_down()
{
	! link_up
}

# One connection, another one than $was, and a's daemon uses it.
connected()
{
	now=$(connections)
	[ "$(wc -l <<<"$now")" = 1 ] && [ -n "$now" ] && [ "$now" != "$was" ] && link_up
}

descriptors()
{
	ls "/proc/$pid_a/fd" | wc -l
}

rss_kb()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$pid_a/status"
}

cut()            # a's end of the link passes nothing; both devices stay up
{
	in_ns a nft -f - <<-NFT || fail "nft"
	table netdev cut {
	  chain in { type filter hook ingress device "sync0" priority 0; policy drop; }
	  chain out { type filter hook egress device "sync0" priority 0; policy drop; }
	}
	NFT
}

mend()
{
	in_ns a nft delete table netdev cut || fail "nft"
}

two_nodes
was=$(connections)

# -- nothing is lost on the way, and the transport's own flow is not replicated --
in_ns a "$build/bench/flowgen" create $((paced_seconds * 20000)) --pace 20000 >"$tmp/gen" ||
	fail "flowgen"
await 5 external_count b $((paced_seconds * 20000)) ||
	fail "paced: b holds $(ask b -e | wc -l) of $((paced_seconds * 20000))"
echo "paced: all are there: $(cat "$tmp/gen")"
[ "$(connections)" = "$was" ] || fail "the connection was lost under load"

# -- bulk: a new b gets everything from the start --
kill -9 "$pid_b"
wait "$pid_b" 2>/dev/null
await 3 link_down || fail "a does not know that b is dead"
daemon b b
pid_b=$daemon_pid
await 10 external_count b $((paced_seconds * 20000)) || fail "bulk: b holds $(ask b -e | wc -l)"
await 10 in_sync a || fail "bulk: $(ask a --status)"
echo "bulk: all are there"
in_ns a "$conntrack" -F >/dev/null 2>&1

# -- the link is cut for 5 s --
was=$(connections)
churn 8
cut
start=$SECONDS
await 4 link_down || fail "cut: a does not know it after $((SECONDS - start)) s"
await 6 test $((SECONDS - start)) -ge 5
mend
await 10 connected || fail "cut: no connection after it: $(in_ns a ss -tn)"
settled "link cut for 5 s"

# -- the peer is killed, its kernel says so --
was=$(connections)
churn 4
kill -9 "$pid_b"
wait "$pid_b" 2>/dev/null
await 2 link_down || fail "killed: a does not know it"
daemon b b
pid_b=$daemon_pid
settled "peer killed"

# -- half-open: b is gone, nobody tells a; b comes back with a life of its own --
was=$(connections)
churn 5
cut
kill -9 "$pid_b"
wait "$pid_b" 2>/dev/null
in_ns b ss -K -tn '( sport = 3780 or dport = 3780 )' >/dev/null 2>&1
daemon b b
pid_b=$daemon_pid
mend
await 5 connected || fail "half-open: no new connection: $(in_ns a ss -tn)"
settled "half-open connection"

# -- 100 times in a row --
before=$(descriptors) rss=$(rss_kb)
churn 20
for i in $(seq 100); do
	was=$(connections)
	in_ns $([ $((i % 2)) = 0 ] && echo a || echo b) ss -K -tn '( sport = 3780 or dport = 3780 )' \
		>/dev/null 2>&1
	await 5 connected || fail "reconnect $i: $was, now $(connections) (INET_DIAG_DESTROY?)"
done
settled "100 reconnects"
[ "$(descriptors)" = "$before" ] || fail "descriptors: $before before, $(descriptors) now"
grown=$(($(rss_kb) - rss))
# With sanitizers freed memory is kept for a while; they look for leaks themselves.
ldd "$conntrackd" | grep -q libasan || [ $grown -lt 4096 ] || fail "memory grew by $grown kB"
ask a -k && ask b -k || fail "-k"
wait "$pid_a" "$pid_b" || fail "a daemon ended with an error"
echo "100 reconnects: $before descriptors before and after, memory grew by $grown kB"
