#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -L --sort and --limit: the same lines as without, in order; the first of them alone, with
# memory for these.
. "$(dirname "$0")/lib.sh"
ns a
ct() { in_ns a "$conntrack" "$@"; }
awk 'BEGIN { for (i = 0; i < 20000; i++) { k = i * 7919 % 20000
	printf "-A -t %d -s 10.%d.%d.%d -d 192.168.%d.1 -p %s --sport %d --dport 80 -m %d\n",
		1000 + k, k % 3, k / 256 % 256, k % 256, k % 5, k % 2 ? "udp" : "udplite", k, k % 11 }
	print "-A -t 1000 -s ::1 -d ::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 5" }' >"$tmp/lines"
ct -R "$tmp/lines" 2>"$tmp/load.log" || fail "the table could not be filled"

plain() { sed -E 's/^([a-z0-9]+ +[0-9]+) [0-9]+ /\1 /'; }
ct -L 2>/dev/null | plain | sort >"$tmp/all"

by() { sed -E "s/^.* $1=([0-9]+) .*\$/\1/"; }
ct -L -f ipv4 --sort sport 2>"$tmp/said.log" >"$tmp/sorted" || fail "--sort sport"
grep -q ' 20000 flow entries have been shown' "$tmp/said.log" || fail "the summary"
sed -E 's/^[^=]* src=[^ ]+ dst=[^ ]+ sport=([0-9]+).*/\1/' "$tmp/sorted" | sort -n -c || fail "not in the order of sport"
ct -L --sort sport,dst 2>/dev/null | plain | sort >"$tmp/have"; cmp "$tmp/have" "$tmp/all" || { diff "$tmp/have" "$tmp/all" | head -n 4; fail "--sort loses or makes lines"; }
ct -L --sort mark 2>/dev/null | by mark | sort -n -c || fail "not in the order of mark"
ct -L -p udp --sort src 2>/dev/null | sed -E 's/^[^=]* src=([^ ]+) .*/\1/' | sort -t. -k1,1n -k2,2n -k3,3n -k4,4n -c ||
	fail "not in the order of src"
ct -L --sort proto,mark 2>/dev/null | awk '{ match($0, /mark=[0-9]+/); print $2, substr($0, RSTART + 5, RLENGTH - 5) }' |
	sort -k1,1n -k2,2n -c || fail "not in the order of both fields"

# The first ones are the head of all, whatever else is asked.
ct -L --sort sport 2>/dev/null | plain >"$tmp/sorted"
for n in 0 1 2 999 1500 20001 30000; do
	ct -L --sort sport --limit $n 2>"$tmp/said.log" | plain >"$tmp/first"
	head -n $n "$tmp/sorted" | cmp - "$tmp/first" || fail "--sort --limit $n is not the head"
	ct -L --limit $n 2>"$tmp/said.log" | plain >"$tmp/first"
	want=$((n < 20001 ? n : 20001))
	[ "$(wc -l <"$tmp/first")" = $want ] || fail "--limit $n shows $(wc -l <"$tmp/first")"
	grep -q " $want flow entries have been shown" "$tmp/said.log" || fail "the summary of --limit $n"
	sort "$tmp/first" | comm -23 - "$tmp/all" | grep -q . && fail "--limit $n shows what is not there"
done
[ "$(ct -L -p udp --limit 5 -o json 2>/dev/null | grep -c '"protonum":17,')" = 5 ] || fail "--limit counts what is not selected"

# Counters, the largest first.
in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=1
ct -F 2>/dev/null
in_ns a nft 'add table ip t; add chain ip t c { type filter hook output priority 0; }; add rule ip t c ct state new accept'
for host in 3 9 1 5 7; do
	in_ns a bash -c "printf %0$((host * 100))d 0 >/dev/udp/127.0.0.$host/9" 2>/dev/null
done
[ "$(ct -L --sort bytes 2>/dev/null | sed -E 's/^[^=]*src=[^ ]+ dst=127.0.0.([0-9]) .*/\1/' | xargs)" = "9 7 5 3 1" ] || {
	ct -L --sort bytes; fail "not in the order of bytes"; }
[ "$(ct -L --sort bytes --limit 2 -o xml 2>/dev/null | grep -c '<flow>')" = 2 ] || fail "XML with a limit"

while IFS='|' read -r options text; do
	ct $options >"$tmp/out" 2>"$tmp/refused.log"
	[ $? = 2 ] && grep -qF -- "$text" "$tmp/refused.log" && [ ! -s "$tmp/out" ] || fail "$options is not refused with: $text"
done <<'CASES'
-L --sort colour|`colour' is no field for `--sort'
-L --sort src/200|bad network `src/200' for `--sort'
-L --limit x|bad value `x' for `--limit'
-D --limit 5|Illegal option `--limit'
-D --sort src|Illegal option `--sort'
-C --sort src|Can't use --sort without --by
-E --sort src|Can't use --sort without --by
-L -z --limit 1|Can't use -z
CASES
echo "listings have an order and an end"
