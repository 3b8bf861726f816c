#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack -D and -U on a large table: what is counted and printed is what was done,
# also when two do it at once; --dry-run does nothing; a terminal sees how far it is.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
conntrack=$build/.libs/conntrack
[ -x "$conntrack" ] || skip "no $conntrack"
command -v script >/dev/null || skip "script is needed"
ns a
flows=${FLOWS:-100000}

ct() { in_ns a "$conntrack" "$@"; }
said() { sed -n 's/.*: \([0-9]*\) flow entries .*/\1/p' "$1"; }

fill()
{
	awk -v n="$flows" 'BEGIN { for (i = 0; i < n; i++)
		printf "-A -t 5000 -s 10.%d.%d.%d -d 192.168.0.1 -p udp --sport %d --dport 53 -m %d\n",
			i / 65536, i / 256 % 256, i % 256, 1 + i % 60000, 1 + i % 4 }' >"$tmp/lines"
	ct -R "$tmp/lines" || fail "cannot make flows"
	[ "$(ct -C)" = "$flows" ] || skip "room for $(ct -C) of $flows flows"
}

# did STATUS COUNT WORD LINES: what the last run said and printed
did()
{
	[ "$1" = "$status" ] || fail "status $status, not $1"
	grep -q ": $2 flow entries $3" "$tmp/err.log" || { cat "$tmp/err.log"; fail "not: $2 $3"; }
	[ "$(wc -l <"$tmp/out")" = "$4" ] || fail "$(wc -l <"$tmp/out") lines, not $4"
}

run() { ct "$@" >"$tmp/out" 2>"$tmp/err.log"; status=$?; }

fill
quarter=$((flows / 4))

# -- nothing is done --
run -D -m 1 --dry-run
did 0 "$quarter" "would have been deleted" "$quarter"
run -U -m 2 --dry-run
did 0 "$flows" "would have been updated" "$flows"
grep -q 'mark=[134]' "$tmp/out" && fail "-U --dry-run shows what is, not what would be"
run -U -u ASSURED -s 10.0.0.0/24 --dry-run -o extended
did 0 256 "would have been updated" 256
[ "$(grep -c '^ipv4 .*ASSURED' "$tmp/out")" = 256 ] || fail "a status would not be set"
run -D -m 77 --dry-run
did 1 0 "would have been deleted" 0
[ "$(ct -L -m 1 2>/dev/null | wc -l)" = "$quarter" ] && [ "$(ct -C)" = "$flows" ] ||
	fail "--dry-run does something"

# -- it is done, and said --
run -U -m 2
did 0 "$flows" "have been updated" "$flows"
# what is as it should be counts too
run -U -m 2
did 0 "$flows" "have been updated" "$flows"
[ "$(ct -L -m 2 2>/dev/null | wc -l)" = "$flows" ] || fail "not all are updated"

# -- two at once: each entry is deleted, counted and printed by one of them --
ct -D >"$tmp/out1" 2>"$tmp/err1" &
first=$!
ct -D >"$tmp/out2" 2>"$tmp/err2"
wait "$first"
[ "$(ct -C)" = 0 ] || fail "$(ct -C) entries are left"
[ $(($(said "$tmp/err1") + $(said "$tmp/err2"))) = "$flows" ] ||
	fail "$(said "$tmp/err1") and $(said "$tmp/err2") are not $flows"
[ "$(sort "$tmp/out1" "$tmp/out2" | sed 's/ [0-9]* src=/ src=/' | uniq | wc -l)" = "$flows" ] &&
	[ "$(wc -l <"$tmp/out1")" = "$(said "$tmp/err1")" ] || fail "lines are not what was deleted"

# -- progress: on a terminal, not more than twice a second, not in a file --
fill
began=$(date +%s%N)
TERM=dumb script -qec "ip netns exec $prefix-a $conntrack -U -m 9 -o extended >/dev/null" /dev/null \
	>"$tmp/screen" </dev/null || fail "no terminal"
took=$((($(date +%s%N) - began) / 1000000))
shown=$(grep -o '[0-9]* entries read, [0-9]* updated' "$tmp/screen" | wc -l)
[ "$shown" -le $((took / 500)) ] || fail "$shown times in $took ms"
[ "$took" -lt 1500 ] || [ "$shown" -ge 1 ] || fail "no progress in $took ms"
tail -n 1 "$tmp/screen" | tr '\r' '\n' | tail -n 2 |
	grep -q "conntrack-tools): $flows flow entries have been updated" || {
	cat -v "$tmp/screen"; fail "the last word is another"; }
run -U -m 10
grep -q "entries read" "$tmp/err.log" && fail "progress in a file"
echo "progress $shown times in $took ms"
