#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a is active, then b, then a again, and nobody was ever asked to stand by: a's kernel
# still has the flows, as they were. After the second takeover a has b's mark, state and
# timeout, TCP has not gone back, and what did not change is left alone. A bulk transfer
# (-B) makes nothing newer than it is.
. "$(dirname "$0")/lib.sh"
flow=(-p tcp -s 192.0.2.7 -d 198.51.100.7 --sport 1234 --dport 443)
closing=(-p tcp -s 192.0.2.7 -d 198.51.100.7 --sport 1235 --dport 443)

has()
{
	in_ns "$1" "$conntrack" -L "${flow[@]}" 2>/dev/null | grep -q "$2"
}

known()
{
	ask "$1" -e | grep "sport=$2 " | grep -q "$3"
}

own_known()
{
	ask "$1" -i | grep "sport=$2 " | grep -q "$3"
}

two_nodes "purge_timeout = 60;"
in_ns a "$build/bench/flowgen" create 200 >/dev/null || fail "flowgen"
for f in flow closing; do
	declare -n t=$f
	in_ns a "$conntrack" -I "${t[@]}" --state SYN_RECV --timeout 500 --mark 1 -u SEEN_REPLY >/dev/null 2>&1 || fail "-I"
done
await 10 external_count b 202 || fail "b holds $(ask b -e | wc -l)"
ask b --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
await 5 external_count a 202 || fail "a holds $(ask a -e | wc -l) of b"

# now b's traffic changes one flow, and a's the other, before a has the word of b
in_ns b "$conntrack" -U "${flow[@]}" --state ESTABLISHED --timeout 9000 --mark 2 -u ASSURED,SEEN_REPLY >/dev/null 2>&1 || fail "-U"
in_ns b "$conntrack" -U "${closing[@]}" --mark 3 >/dev/null 2>&1 || fail "-U"
in_ns b "$conntrack" -U "${closing[@]}" --mark 4 >/dev/null 2>&1 || fail "-U"
in_ns a "$conntrack" -U "${closing[@]}" --state CLOSE_WAIT --timeout 60 >/dev/null 2>&1 || fail "-U"
await 5 known a 1234 'ESTABLISHED.*mark=2' || fail "a did not receive it: $(ask a -e | grep sport=1234)"
await 5 known a 1235 'mark=4' || fail "a did not receive it: $(ask a -e | grep sport=1235)"
await 5 known b 1235 'CLOSE_WAIT' || fail "b did not receive it: $(ask b -e | grep sport=1235)"
has a 'SYN_RECV.*mark=1' || fail "a's kernel knew it already"

# everything is sent again: that is nothing new
ask a -B || fail "-B"
read -r -t 0.5 <> <(:) || :

ask a --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
has a 'ESTABLISHED.*ASSURED.*mark=2' ||
	fail "a has $(in_ns a "$conntrack" -L "${flow[@]}" 2>/dev/null), $(cat "$tmp/out")"
[ "$(in_ns a "$conntrack" -L "${flow[@]}" 2>/dev/null | awk '{ print $3 }')" -gt 8000 ] ||
	fail "the timeout is a's: $(in_ns a "$conntrack" -L "${flow[@]}" 2>/dev/null)"
in_ns a "$conntrack" -L "${closing[@]}" 2>/dev/null | grep -q 'CLOSE_WAIT.*mark=4' ||
	fail "TCP went back, or the mark is old: $(in_ns a "$conntrack" -L "${closing[@]}" 2>/dev/null)"
grep -q '^0 committed, 202 already there.* 2 brought up to date' "$tmp/out" || fail "$(cat "$tmp/out")"
own_known a 1234 'ESTABLISHED.*mark=2' || fail "a owns $(ask a -i | grep sport=1234)"
own_known a 1235 'CLOSE_WAIT.*mark=4' || fail "a owns $(ask a -i | grep sport=1235)"

# and it is the last word: nothing of b is newer than it
ask a --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
grep -q 'brought up' "$tmp/out" && fail "once more: $(cat "$tmp/out")"
await 10 in_sync a && await 10 in_sync b || fail "not in sync"
echo "a, b, a: $(cat "$tmp/out")"
