#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --by: groups of a table beside what awk makes of a listing, -C with selections, and the
# rates of events; what does not go together is refused.
. "$(dirname "$0")/lib.sh"
ns a
ct() { in_ns a "$conntrack" "$@"; }

in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=0
awk 'BEGIN { for (i = 0; i < 3000; i++) {
	proto = i % 3 ? "tcp" : "udp"
	printf "-A -t %d -s 10.%d.%d.%d -d 192.168.%d.1 -p %s --sport %d --dport %d -m %d %s\n",
		1000 + i, i % 2, i % 7, i % 31, i % 3, proto, 1024 + i, 80 + i % 5, i % 4,
		proto == "tcp" ? (i % 2 ? "--state ESTABLISHED -u SEEN_REPLY,ASSURED" : "--state SYN_SENT") : ""
	if (i % 10 == 0)
		printf "-A -t 1000 -s 2001:db8:%x:%x::%x -d 2001:db8::1 -p udp --sport %d --dport 53\n",
			i % 3, i % 20, i, 1024 + i
	}
	for (i = 0; i < 5; i++)
		printf "-A -t 100 -s 10.9.9.%d -d 10.9.9.9 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id %d\n", i, i
}' >"$tmp/lines"
ct -R "$tmp/lines" 2>"$tmp/load.log" || fail "the table could not be filled"
ct -L >"$tmp/listing" 2>/dev/null

# Groups as people made them until now, out of a listing.
cat >"$tmp/groups.py" <<'PYTHON'
import collections, ipaddress, re, sys

def value(line, name):
    direction = name.startswith("reply-")
    name, _, bits = name.removeprefix("reply-").partition("/")
    if name == "proto":
        return line.split()[0]
    if name == "family":
        return "ipv6" if ":" in line else "ipv4"
    if name == "state":
        return line.split()[3] if line.startswith("tcp") else "-"
    found = re.findall(rf"\b{name}=(\S+)", line)
    if not found:
        return "-"
    found = found[direction if len(found) > 1 else 0]
    return str(ipaddress.ip_network(f"{found}/{bits}", strict=False)) if bits else found

def number(line, name):
    return sum(int(n) for n in re.findall(rf"\b{name}=(\d+)", line))

fields, sums = sys.argv[1].split(","), collections.Counter()
for line in sys.stdin:
    key = " ".join(value(line, f) for f in fields)
    for name in ("count", "packets", "bytes"):
        sums[key, name] += 1 if name == "count" else number(line, name)
for key in sorted({k for k, _ in sums}):
    print(key, *(sums[key, name] for name in sys.argv[2:]))
PYTHON

same_groups()    # FIELDS [OPTIONS...]: --by counts as in the listing
{
	local by=$1
	shift
	ct -L "$@" 2>/dev/null | python3 "$tmp/groups.py" "$by" count | sort >"$tmp/want"
	ct -L --by "$by" "$@" 2>"$tmp/by.log" | tail -n +2 |
		awk '{ NF--; $1 = $1; print }' | sort >"$tmp/have"
	[ -s "$tmp/have" ] || fail "no groups by $by"
	cmp -s "$tmp/want" "$tmp/have" || { diff "$tmp/want" "$tmp/have" | head; fail "groups by $by"; }
}

for by in src dst sport dport reply-src reply-dst reply-sport reply-dport proto state mark family \
	src,dport,proto,state,mark dst,reply-sport; do
	same_groups $by
done
same_groups src/24 -f ipv4
same_groups reply-dst/13,dst/0 -f ipv4
same_groups src/48 -f ipv6
same_groups src/24 -p tcp -m 3

# The order, the head of it, and the share of all.
ct -C --by src >"$tmp/all" && ct -C --by src --top 7 >"$tmp/top" || fail "-C --by"
[ "$(wc -l <"$tmp/top")" = 8 ] || fail "--top 7 shows $(wc -l <"$tmp/top") lines"
awk '{ print $1, $2, $3 }' "$tmp/top" | cmp - <(head -n 8 "$tmp/all" | awk '{ print $1, $2, $3 }') || fail "--top is not the head of all"
tail -n +2 "$tmp/all" | awk '{ print $2 }' | sort -c -n -r || fail "groups are not in order"
[ "$(ct -L --by src --top 2>/dev/null | wc -l)" = 11 ] || fail "--top alone is 10"
[ "$(ct -C --by proto | awk '$1 == "udp" { print $3 }')" = "$(awk '$1 == "udp" { u++ } END { printf "%.1f", u * 100 / NR }' "$tmp/listing")" ] ||
	fail "percent"

# With a selection: the same entries that -L shows.
for select in "-p tcp" "-p tcp --state ESTABLISHED" "-s 10.0.0.0/16" "-f ipv6" "-m 3" "-u ASSURED" "-p udp --dport 81"; do
	want=$(ct -L $select 2>/dev/null | wc -l)
	[ "$(ct -C $select)" = "$want" ] || fail "-C $select is not $want"
	[ "$want" -gt 0 ] || fail "$select selects nothing"
	[ "$(ct -C $select -o json)" = "{\"entries\":$want}" ] || fail "-C $select -o json"
	[ "$(ct -C $select --by family | tail -n +2 | awk '{ n += $2 } END { print n }')" = "$want" ] || fail "-C $select --by"
done
printf -- '-p icmp\n-f ipv6\n' >"$tmp/selections"
[ "$(ct -C --filter-file "$tmp/selections")" = 305 ] || fail "-C --filter-file"
[ "$(ct --count)" = "$(wc -l <"$tmp/listing")" ] || fail "--count is no longer the command"

# Forms for programs.
ct -L --by src/16,dport,state,status -o json 2>/dev/null >"$tmp/json" || fail "-o json"
python3 - "$tmp/json" "$(wc -l <"$tmp/listing")" <<'PYTHON' || fail "JSON of groups"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert sum(r["count"] for r in rows) == int(sys.argv[2]), sum(r["count"] for r in rows)
assert all(list(r["by"]) == ["src/16", "dport", "state", "status"] for r in rows)
assert all("bytes" not in r for r in rows), "nothing is accounted"
assert {type(r["by"]["dport"]) for r in rows} == {int, type(None)}
PYTHON
ct -L --by src,status -o csv 2>/dev/null >"$tmp/csv"
python3 - "$tmp/csv" "$(wc -l <"$tmp/listing")" <<'PYTHON' || fail "CSV of groups"
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
assert list(rows[0]) == ["src", "status", "count", "packets", "bytes", "percent"], list(rows[0])
assert sum(int(r["count"]) for r in rows) == int(sys.argv[2])
assert any("SEEN_REPLY,ASSURED" in r["status"] for r in rows)
PYTHON

# Accounting.
ct -L --by src --sort bytes 2>&1 >/dev/null | grep -q nf_conntrack_acct=1 || fail "what to do for bytes is not said"
ct -F 2>/dev/null
in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=1
in_ns a nft -f - <<'NFT' || fail "nft"
table ip t { chain c { type filter hook output priority 0; ct state new accept; }; }
NFT
for host in 1 2 2 2 3; do
	in_ns a bash -c "printf %0$((host * 500))d 0 >/dev/udp/127.0.0.$host/9"
done 2>/dev/null
ct -L 2>/dev/null | python3 "$tmp/groups.py" dst count packets bytes | tr ' ' , | sort -t, -k4nr >"$tmp/want"
ct -L --by dst --sort bytes -o csv 2>"$tmp/bytes.log" | tail -n +2 >"$tmp/bytes"
cut -d, -f1-4 "$tmp/bytes" | cmp - "$tmp/want" || { cat "$tmp/bytes" "$tmp/want"; fail "bytes"; }
grep -q '^127.0.0.2,3,' "$tmp/bytes" || fail "no packets were tracked"
awk -F, '{ n[NR] = $4; p[NR] = $5; all += $4 } END { for (i in n) if (sprintf("%.1f", n[i] * 100 / all) != p[i]) exit 1 }' "$tmp/bytes" ||
	fail "percent is not of bytes"
ct -L --by dst --sort packets 2>"$tmp/bytes.log" | head -n 1 | grep -q 'packets  *bytes' || fail "no columns of packets and bytes"
! grep -q acct "$tmp/bytes.log" || fail "accounting is on"

# Rates of events.
ct -F 2>/dev/null
ct -E --by dport --every 30 -o json >"$tmp/rates" 2>"$tmp/rates.log" &
watcher=$!
pids+=($watcher)
listens() { in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink; }
await 10 listens || fail "-E --by does not listen"
for i in 1 2 3; do
	ct -I -t 100 -s 1.0.0.1 -d 2.0.0.$i -p udp --sport 1 --dport 53 2>/dev/null
	ct -I -t 100 -s 1.0.0.1 -d 2.0.0.$i -p tcp --sport 1 --dport 80 --state NONE 2>/dev/null
done
ct -D -p udp >/dev/null 2>&1
pkill -INT -P $watcher 2>/dev/null || kill -INT $watcher
wait $watcher || fail "-E --by ended with $?"
python3 - "$tmp/rates" <<'PYTHON' || { cat "$tmp/rates"; fail "rates"; }
import json, sys
rows = {r["by"]["dport"]: r for r in map(json.loads, open(sys.argv[1]))}
assert set(rows) == {53, 80}, rows
assert (rows[53]["new"], rows[53]["destroyed"]) == (3, 3)
assert (rows[80]["new"], rows[80]["destroyed"]) == (3, 0)
assert abs(rows[53]["new_per_s"] - 3 / rows[53]["seconds"]) < 0.1
PYTHON
[ "$(ct -E --by src --every 0.1 --count 3 2>/dev/null | grep -c 'new/s,')" = 3 ] || fail "--count 3 is not three intervals"
[ "$(ct -E --by src --every 0.1 --count 2 -o csv 2>/dev/null)" = time_ns,seconds,src,new,destroyed,new_per_s,destroyed_per_s ] ||
	fail "CSV of rates has no head, or two"

# What makes no sense.
while IFS='|' read -r options text; do
	ct $options >"$tmp/out" 2>"$tmp/refused.log"
	[ $? = 2 ] && grep -qF -- "$text" "$tmp/refused.log" && [ ! -s "$tmp/out" ] || fail "$options is not refused with: $text"
done <<'CASES'
-L --by nonsense|`nonsense' is no field for `--by'
-L --by src,|Bad parameter
-L --by src,src|stands twice
-L --by src/33/64|bad network
-L --by src/129|bad network
-L --by src/|bad network
-L --by src/24/|bad network
-L --by src/24/64/1|bad network
-L --by dport/8|bad network
-L --by mark,src/1,src/2,src/3,src/4,src/5,src/6,src/7,src/8|more than 8 fields
-L --by src --sort colour|groups are sorted by count, packets or bytes
-E --by src --sort bytes|groups are sorted by new or destroyed
-L --by src --top x|bad value `x' for `--top'
-L --by src -o xml|groups are shown as text, csv or json
-L --by src -o save|groups are shown as text, csv or json
-L --by src -o csv,json|cannot combine csv and json
-L -o csv|Can't use it without --by
-L --top 5|Can't use --top without --by
-L --by src --limit 3|Can't use --limit with --by
-L --by src --every 1|Illegal option `--every'
-E --by src --every 0|bad value `0' for `--every'
-E --by src --every 1.|bad value `1.' for `--every'
-E --by src --every 1.0005|bad value `1.0005' for `--every'
-E --every 1|Can't use --every without --by
-E --by src --resync|Can't use --resync with --by
-E --by src -e UPDATES|updates are not counted
-C -z|Illegal option `--zero'
-C -o xml|Illegal option `--output'
-D --by src|Illegal option `--by'
-L expect --by src|Illegal option `--by'
-L dying --count 3|Illegal option `--count'
CASES
echo "groups, counts and rates are right"
