#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack -o save, then -F and -R: the same table, with marks, labels, zones, NAT, helpers.
. "$(dirname "$0")/lib.sh"
ns a
# Labels are kept where a rule uses them.
in_ns a nft -f - <<-RULES || skip "nft has no ct label"
	table ip t { chain c { type filter hook forward priority 0; ct label set 1; }; }
RULES

ct() { in_ns a "$conntrack" "$@"; }

# All but what passes: seconds.
table()
{
	ct -L -o extended,labels -M "$tmp/map" 2>"$tmp/err.log" |
		sed -E 's/^(ipv[46] +[0-9]+ [a-z0-9]+ +[0-9]+) [0-9]+/\1/' | sort
}

printf '0 zero\n5 eth0-in\n127 last\n' >"$tmp/map"
cat >"$tmp/lines" <<'END'
-A -t 5000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1000 --dport 80 --state ESTABLISHED -m 4294967295
-A -t 5000 -u SEEN_REPLY,FIXED_TIMEOUT -s 10.0.0.1 -d 10.0.0.3 -p tcp --sport 1001 --dport 443 --state SYN_SENT
-A -t 5000 -s 10.0.0.9 -d 10.0.0.2 -p udp --sport 500 --dport 4500 -w 7 -m 1 # labels=5,127
-A -t 5000 -s 10.0.0.10 -d 10.0.0.2 -p udp --sport 501 --dport 4500 --orig-zone 8
-A -t 5000 -s 10.0.0.11 -d 10.0.0.2 -p udp --sport 502 --dport 4500 --reply-zone 9 -m 2
-A -t 5000 -s 10.0.0.1 -d 10.0.0.2 -p udplite --sport 5 --dport 6
-A -t 5000 -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 7 --dport 8 --state ESTABLISHED --orig-vtag 11 --reply-vtag 12
-A -t 5000 -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 17 --dstkey 300 -m 3
-A -t 5000 -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 99
-A -t 5000 -s 10.0.0.1 -d 10.0.0.2 -p 200 -m 4
-A -t 5000 -u SEEN_REPLY -s 10.0.2.1 -d 10.0.0.2 -n 192.0.2.1:6000 -p tcp --sport 1003 --dport 80 --state ESTABLISHED
-A -t 5000 -u SEEN_REPLY -s 10.0.2.2 -d 10.0.0.2 -g 192.0.2.2:8080 -p tcp --sport 1004 --dport 80 --state ESTABLISHED -m 5
-A -t 5000 -u SEEN_REPLY -s 10.0.2.3 -d 10.0.0.2 -n 192.0.2.1:7000 -g 192.0.2.2:8080 -p udp --sport 1004 --dport 80
-A -t 5000 -u SEEN_REPLY,ASSURED -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 1005 --dport 80 --state ESTABLISHED -m 6 # labels=0
-A -t 5000 -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 98
-A -t 5000 -u SEEN_REPLY -s 2001:db8:1::1 -d 2001:db8::2 -n 2001:db8:ffff::1 -p tcp --sport 1007 --dport 80 --state ESTABLISHED
END
# One that the kernel has, as most do.
helpers=0
if ct -I -t 9 -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 21 --state ESTABLISHED --helper ftp 2>/dev/null; then
	cat >>"$tmp/lines" <<-'END'
	-A -t 5000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.4 -p tcp --sport 1008 --dport 21 --state ESTABLISHED --helper ftp
	-A -t 5000 -s 10.0.0.1 -d 10.0.0.4 -p tcp --sport 1009 --dport 2121 --state SYN_SENT -w 7 -m 9 # labels=5 helper=ftp
	-A -t 5000 -u SEEN_REPLY -s 10.0.2.5 -d 10.0.0.2 -n 192.0.2.1:6001 -p tcp --sport 1010 --dport 21 --state ESTABLISHED --helper ftp
	-A -t 5000 -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 1011 --dport 21 --state ESTABLISHED --orig-zone 8 --helper ftp
	END
	helpers=4
	ct -F 2>/dev/null
fi
n=$(wc -l <"$tmp/lines")
ct -R "$tmp/lines" || fail "cannot make the table"
table >"$tmp/before"
[ "$(wc -l <"$tmp/before")" = "$n" ] || fail "not $n entries"

ct -L -o save >"$tmp/saved" 2>"$tmp/err.log" || fail "cannot save"
ct -F 2>"$tmp/err.log"
[ "$(ct -C)" = 0 ] || fail "entries stay"
ct -R "$tmp/saved" || { cat "$tmp/saved"; fail "what was saved cannot be loaded"; }
table >"$tmp/after"
diff -u "$tmp/before" "$tmp/after" || fail "the table is not what was saved"
grep -q 'labels=eth0-in,last' "$tmp/after" || fail "no labels"

[ "$(grep -c 'helper=ftp' "$tmp/after")" = $helpers ] || fail "not $helpers entries with a helper"
if [ $helpers -gt 0 ]; then
	# They are selected by it; the kernel gives none to an entry that is there.
	[ "$(ct -L --helper ftp 2>/dev/null | wc -l)" = 4 ] && [ -z "$(ct -L --helper tftp 2>/dev/null)" ] ||
		fail "-L --helper selects others"
	ct -U --helper ftp -m 77 >/dev/null 2>"$tmp/err.log" && [ "$(ct -L -m 77 2>/dev/null | wc -l)" = 4 ] ||
		fail "-U --helper changes others"
	entry="-t 9 -s 10.9.9.9 -d 10.0.0.2 -p tcp --sport 1 --dport 21 --state ESTABLISHED"
	ct -I $entry 2>"$tmp/err.log" || fail "no entry"
	echo "-A $entry --helper ftp" >"$tmp/refused"
	for words in "-A $entry --helper ftp" "-I $entry -w 1 --helper none-such" "-R $tmp/refused"; do
		ct $words 2>"$tmp/err.log" && fail "no failure: $words"
		grep -q 'Operation failed: Operation not supported' "$tmp/err.log" &&
			grep -q 'no helper of that name' "$tmp/err.log" || fail "does not say why: $words"
	done
	ct -I $entry -w 1 --helper sixteen-letters- 2>/dev/null
	[ $? = 2 ] || fail "a name of 16 letters is taken"
	ct -L -o save --helper ftp 2>/dev/null | wc -l | grep -qx 4 || fail "-o save"
	[ "$(ct -D --helper ftp 2>/dev/null | grep -c helper=ftp)" = 4 ] || fail "-D --helper deletes others"
fi

# lines of -D delete again
ct -D -p udp -o save >"$tmp/deleted" 2>"$tmp/err.log"
[ "$(grep -c '^-D ' "$tmp/deleted")" = 4 ] || fail "not four lines that delete"
echo "$n entries saved and loaded, $helpers of them with a helper"
