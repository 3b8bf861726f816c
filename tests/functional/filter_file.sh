#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack --filter-file: 10,000 selections over 200,000 flows select what a plain
# table of them does, for -L, -D and -E; they take little longer than one.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
conntrack=$build/.libs/conntrack
[ -x "$conntrack" ] || skip "no $conntrack"
ns a
flows=${FLOWS:-200000}

ct() { in_ns a "$conntrack" "$@"; }

# -- the flows; all of them have events, not only those made while somebody listens --
in_ns a sh -c 'echo 1 >/proc/sys/net/netfilter/nf_conntrack_events'
awk -v n="$flows" 'BEGIN { for (i = 0; i < n; i++) {
	tcp = i % 3 != 0
	printf "-A -t 5000 -s 10.%d.%d.%d -d 192.168.%d.%d -p %s --sport %d --dport %d -m %d%s%s\n",
		i / 65536, i / 256 % 256, i % 256, i % 7, i % 11, tcp ? "tcp" : "udp",
		1024 + i % 50000, 80 + i % 13, 1 + i % 5000,
		tcp ? " --state " (i % 2 ? "ESTABLISHED" : "SYN_SENT") : "",
		i % 5 ? " -u SEEN_REPLY" : ""
} }' >"$tmp/flows"
ct -R "$tmp/flows" || fail "cannot make flows"
[ "$(ct -C)" = "$flows" ] || skip "room for $(ct -C) of $flows flows"

# -- 10,000 selections of seven shapes --
awk -v n="$flows" 'BEGIN { for (i = 0; i < 10000; i++) {
	k = int(i * n / 10000) * 7 % n      # a flow
	tcp = k % 3 != 0
	s = sprintf("%d.%d.%d", k / 65536, k / 256 % 256, k % 256)
	sub(/\.[0-9]+$/, "", s)
	if (i % 100 == 0) print "-s 10." s ".0/24 -p udp"
	else if (i % 7 == 1) print "-s 10." s "." k % 256 " -d 192.168." k % 7 "." k % 11
	else if (i % 7 == 2) print "-p " (tcp ? "tcp" : "udp") " --sport " 1024 + k % 50000 " -d 192.168.0.0/16 -m " 1 + k % 5000
	else if (i % 7 == 3) print "-r 192.168." k % 7 "." k % 11 " -q 10." s "." k % 256 " -p udp"
	else if (i % 7 == 4) print "-s 10." s "." k % 256 " -p tcp --state ESTABLISHED"
	else if (i % 7 == 5) print "-s 10." s "." k % 256 " --mask-src 255.255.255.252 -m " (1 + k % 5000) % 8 "/7"
	else print "-s 172.16." i % 256 "." int(i / 256) " # nobody"
} }' >"$tmp/selections"
[ "$(wc -l <"$tmp/selections")" = 10000 ] || fail "there are not 10,000 selections"

# -- what they select, by other means: sets of words --
ct -L 2>/dev/null >"$tmp/all"
awk 'FNR == NR {
	if (/#/) next
	if (/\/24/) { sub(/\.0\/24/, "", $2); a[$2] }
	else if (/^-s.* -d/) b[$2, $4]
	else if (/^-p/) c[$2, $4, $8]
	else if (/^-r/) d[$2, $4]
	else if (/state/) e[$2]
	else { n = split($2, q, "."); f[q[1] "." q[2] "." q[3] "." int(q[4] / 4), $6] }
	next
}
{
	tcp = $1 == "tcp"
	split($(4 + tcp), src, "="); split($(5 + tcp), dst, "="); split($(6 + tcp), sport, "=")
	match($0, /mark=[0-9]+/); mark = substr($0, RSTART + 5, RLENGTH - 5)
	split(src[2], q, ".")
	net = q[1] "." q[2] "." q[3]
	if ((!tcp && net in a) || (src[2], dst[2]) in b || ($1, sport[2], mark) in c ||
	    (!tcp && (dst[2], src[2]) in d) || (/ESTABLISHED/ && src[2] in e) ||
	    (net "." int(q[4] / 4), mark % 8 "/7") in f)
		print $1, src[2], dst[2], sport[2], mark
}' "$tmp/selections" "$tmp/all" | sort >"$tmp/wanted"
[ "$(wc -l <"$tmp/wanted")" -gt 5000 ] || fail "the selections select nearly nothing"

words() # of lines of flows: what $tmp/wanted has
{
	sed -E 's/^ *\[[A-Z]+\] *//; s/^([a-z]+) .*src=(10[^ ]*) dst=([^ ]*) sport=([0-9]*) .* src=.* mark=([0-9]*).*/\1 \2 \3 \4 \5/' |
		sort
}

same() # FILE WHAT
{
	words <"$1" >"$tmp/got"
	diff "$tmp/wanted" "$tmp/got" >"$tmp/diff.log" || fail "$2 selects other flows"
}

seconds() # words...: CPU time of a command
{
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'
}

ct -L --filter-file "$tmp/selections" >"$tmp/listed" 2>"$tmp/err.log" || fail "-L fails"
same "$tmp/listed" -L
n=$(wc -l <"$tmp/wanted")
grep -q " $n flow entries have been shown" "$tmp/err.log" || fail "-L counts otherwise"
ct -L -p tcp --filter-file - <"$tmp/selections" 2>/dev/null | words |
	diff <(grep ^tcp "$tmp/wanted") - >"$tmp/diff.log" || fail "the command's own selection does not count"

# Printing is not what is compared: both print about nothing.
sed -n 's/^-s 10\.\([0-9]*\.[0-9]*\.[0-9]*\) .*-p tcp.*/-s 11.\1 -p tcp --state ESTABLISHED/p
	s/^-[pr] .*/& -w 5/p; s/^-s 10\(.* -d .*\)/-s 11\1/p; s/^-s 10\(.* --mask.*\)/-s 11\1/p' \
	"$tmp/selections" >"$tmp/none"
[ "$(wc -l <"$tmp/none")" -gt 6000 ] || fail "too few selections that select nothing"
one=$(seconds ct -L -m 99999)
many=$(seconds ct -L --filter-file "$tmp/none")
all=$(seconds ct -L)
echo "CPU seconds: $(wc -l <"$tmp/none") selections $many, all entries $all, one selection in the kernel $one"
awk -v many="$many" -v all="$all" 'BEGIN { exit !(many <= 2 * all + 0.2) }' ||
	fail "many selections take long"

# -- events --
ct -E -e DESTROY --filter-file "$tmp/selections" -b 200000000 >"$tmp/events" 2>"$tmp/events.log" &
pid=$!
pids+=("$pid")
listens() { in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink; }
await 10 listens || fail "-E does not listen"

# -- deletes --
ct -D --filter-file "$tmp/selections" --dry-run >"$tmp/would" 2>"$tmp/err.log" || fail "--dry-run fails"
same "$tmp/would" "-D --dry-run"
grep -q " $n flow entries would have been deleted" "$tmp/err.log" || fail "--dry-run counts otherwise"
[ "$(ct -C)" = "$flows" ] || fail "--dry-run deletes"
ct -D --filter-file "$tmp/selections" >"$tmp/deleted" 2>"$tmp/err.log" || fail "-D fails"
same "$tmp/deleted" -D
grep -q " $n flow entries have been deleted" "$tmp/err.log" || fail "-D counts otherwise"
[ "$(ct -C)" = $((flows - n)) ] || fail "-D leaves $(ct -C), not $((flows - n))"
ct -D -s 10.0.0.0/13 >/dev/null 2>&1    # no event of these is wanted
has_all() { [ "$(wc -l <"$tmp/events")" -ge "$n" ]; }
await 10 has_all || fail "-E tells of $(wc -l <"$tmp/events") of $n"
kill "$pid" && wait "$pid"
same "$tmp/events" -E

# -- mistakes --
refused() # LINE MESSAGE
{
	printf -- '-s 10.0.0.1\n\n%s\n' "$1" >"$tmp/wrong"
	ct ${3:--L} --filter-file "$tmp/wrong" >"$tmp/out" 2>"$tmp/err.log"
	[ $? = 2 ] && [ ! -s "$tmp/out" ] && grep -qF -- "$tmp/wrong:3: $2" "$tmp/err.log" ||
		fail "taken: $1"
}
refused "-s nonsense" "Invalid IP address"
refused "-D" "Invalid commands combination"
refused "-h" "Invalid commands combination"
refused "-o id" "Illegal option \`--output'"
refused "-z" "Illegal option \`--zero'"
refused "--filter-file x" "Illegal option \`--filter-file'"
refused "-m 5" "Illegal option \`--mark'" -U
refused "-p tcp --state CLOSE" "Illegal option \`--state'" -U
refused "--sport 5" "unknown option"
refused "-s \"10" "a quote is not closed"
ct -L --filter-file "$tmp/none" --filter-file "$tmp/none" 2>"$tmp/err.log"
[ $? = 2 ] || fail "two files are taken"
ct -L --filter-file "$tmp/nofile" 2>"$tmp/err.log"
[ $? = 2 ] || fail "a file that is not there is taken"
: >"$tmp/wrong"
ct -L --filter-file "$tmp/wrong" 2>&1 | grep -q " 0 flow entries" || fail "no selection selects"

# -- updates --
ct -I -t 100 -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2 2>/dev/null
ct -I -t 100 -s 1.1.1.2 -d 2.2.2.2 -p udp --sport 1 --dport 2 2>/dev/null
printf -- '-s 1.1.1.2\n-s 1.1.1.3\n' >"$tmp/lines"
ct -U --filter-file "$tmp/lines" -m 9 2>/dev/null | grep -q 'src=1.1.1.2 .*mark=9' || fail "-U does nothing"
[ "$(ct -L -m 9 2>/dev/null | wc -l)" = 1 ] || fail "-U updates others"
