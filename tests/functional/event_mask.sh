#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The rule that documents advise for busy firewalls is one that nft takes, a TCP connection
# then makes three events, and they tell all that a replica needs to take it over.
. "$(dirname "$0")/lib.sh"
# The same words everywhere, also where the page of the manual escapes its quotes.
rule=$(sed -n 's/.*nft .* \(ct event set [a-z,"]*\).*/\1/p' "$src/README.md")
[ -n "$rule" ] || fail "README.md names no rule"
for f in doc/KERNEL.md doc/man/conntrackd.cfg.5; do
	sed 's/\\(dq/"/g' "$src/$f" | grep -qF "$rule" || fail "$f names another rule than README.md"
done

two_nodes
in_ns a nft -f - <<-NFT || fail "nft does not take: $rule"
	table inet events {
	  chain in { type filter hook prerouting priority -150; $rule; }
	  chain out { type filter hook output priority -150; $rule; }
	  chain tracked { type filter hook input priority 0; ct state invalid drop; }
	}
NFT
listens()
{
	in_ns a awk '$2 == 12 && $4 == "00000007" { n++ } END { exit n != 2 }' /proc/net/netlink
}
ip netns exec "$prefix-a" "$conntrack" -E -p tcp --dport 7000 >"$tmp/events" 2>/dev/null &
pids+=($!)
await 10 listens || fail "daemon and -E do not listen: $(in_ns a cat /proc/net/netlink)"
ip netns exec "$prefix-a" "$build/bench/lives" serve 127.0.0.1 7000 1 &
pids+=($!)
answers()
{
	in_ns a ss -Hltn | grep -q :7000
}
await 10 answers || fail "no server"
in_ns a "$build/bench/lives" run 127.0.0.1 7000 1 1 1 0 >"$tmp/lives" || fail "no life: $(cat "$tmp/lives")"
replicated()
{
	[[ "$(ask b -e)" == *ESTABLISHED*dport=7000*ASSURED* ]]
}
await 10 replicated || fail "the replica holds $(ask b -e)"
in_ns a "$conntrack" -D -p tcp --dport 7000 >/dev/null 2>&1 || fail "nothing to delete"
ended()
{
	grep -q DESTROY "$tmp/events"
}
await 10 ended || fail "no end: $(cat "$tmp/events")"
await 10 external_count b 0 || fail "the replica still holds $(ask b -e)"
printf '%s\n' NEW:SYN_SENT UPDATE:ESTABLISHED DESTROY: >"$tmp/want"
sed -E 's/^ *\[([A-Z]+)\] tcp +6 +([0-9]+ +([A-Z_]+) )?.*/\1:\3/' "$tmp/events" | sed 's/^DESTROY:.*/DESTROY:/' >"$tmp/have"
diff "$tmp/want" "$tmp/have" || fail "other events: $(cat "$tmp/events")"
