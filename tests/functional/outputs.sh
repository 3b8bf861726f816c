#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# JSON and XML of a table and of events are well formed and say what the text says;
# what is saved, with marks and labels, loads back to the same table.
. "$(dirname "$0")/lib.sh"

ns a
in_ns a sysctl -q -w net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1
# Labels are kept where a rule uses them.
in_ns a nft -f - <<-RULES || skip "nft has no ct label"
	table ip t { chain c { type filter hook forward priority 0; ct label set 1; }; }
RULES
ct()
{
	in_ns a "$conntrack" "$@"
}
printf '1 one\n5 five\n' >"$tmp/map"
for i in $(seq 200); do
	echo "-A -t 3000 -m $i -s 10.1.0.$i -d 10.2.0.$i -p tcp --sport $i --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED # labels=$((i % 128))"
	echo "-A -t 3000 -m $i -s 2001:db8::$i -d 2001:db8::ffff -p udp --sport $i --dport 53 -w 7"
	echo "-A -t 3000 -s 10.1.0.$i -d 10.2.0.$i -p icmp --icmp-type 8 --icmp-code 0 --icmp-id $i"
	echo "-A -t 3000 -s 10.1.0.$i -d 10.2.0.$i -p gre --srckey $i --dstkey 7"
done >"$tmp/lines"
ct -R "$tmp/lines" 2>"$tmp/load.log" || fail "cannot load"

ct -L -o json -M "$tmp/map" >"$tmp/json" 2>/dev/null || fail "-o json"
ct -L -o xml,labels -M "$tmp/map" >"$tmp/xml" 2>/dev/null || fail "-o xml"
ct -L -o extended >"$tmp/text" 2>/dev/null || fail "-o extended"
python3 - "$tmp" <<'PY' >"$tmp/python.log" 2>&1 || fail "the outputs do not agree"
import json, re, sys
import xml.etree.ElementTree as ET
tmp = sys.argv[1]

def line(f):
    o = f["orig"]
    ports = [o.get(k) for k in ("sport", "srckey", "type")]
    return (f["family"], f["protonum"], o["src"], o["dst"], next(p for p in ports if p is not None),
            f.get("mark", 0), f.get("zone"), "ASSURED" in f["status"])

flows = [json.loads(l) for l in open(tmp + "/json")]
texts = []
for l in open(tmp + "/text"):
    get = lambda k, base=10: (lambda m: int(m.group(1), base) if m else None)(re.search(r"\b%s=(0x[0-9a-f]+|\d+)" % k, l))
    port = get("sport") if "sport=" in l else get("srckey", 16) if "srckey" in l else get("type")
    w = l.split()
    texts.append((w[0], int(w[3]), re.search(r"src=(\S+)", l).group(1), re.search(r"dst=(\S+)", l).group(1),
                  port, get("mark"), get("zone"), "[ASSURED]" in l))
assert len(flows) == 800, len(flows)
assert sorted(map(str, map(line, flows))) == sorted(map(str, texts)), "text"
labels = {f["mark"]: f["labels"] for f in flows if f["protocol"] == "tcp"}
assert labels[1] == ["one"] and labels[5] == ["five"] and labels[77] == [77], labels
root = ET.parse(tmp + "/xml").getroot()
assert root.tag == "conntrack" and len(root) == 800
marks = sorted(int(m.text) for m in root.iter("mark"))
assert marks == sorted(f["mark"] for f in flows)
assert sorted(l.text for l in root.iter("label")) == ["five", "five", "one", "one"]
PY

# -- counts --
ct -C -o json >"$tmp/count" || fail "-C -o json"
ct -S -o json >"$tmp/stats" || fail "-S -o json"
ct -S >"$tmp/stats.text" || fail "-S"
ct -S -o id 2>/dev/null && fail "-S takes any output"
python3 - "$tmp" <<'PY' >"$tmp/python.log" 2>&1 || fail "counts as JSON"
import json, sys
tmp = sys.argv[1]
assert json.load(open(tmp + "/count")) == {"entries": 800}
rows = [json.loads(l) for l in open(tmp + "/stats")]
names = [[w.split("=")[0] for w in l.split()] for l in open(tmp + "/stats.text")]
assert rows and [list(r) for r in rows] == names, (rows, names)
PY

# -- saved and loaded --
saved()
{
	ct -L -o save -M "$tmp/map" 2>/dev/null | sed 's/ -t [0-9]*//' | sort
}
saved >"$tmp/before"
[ "$(grep -c '# labels=' "$tmp/before")" = 200 ] || fail "labels are not saved"
ct -L -o save 2>/dev/null >"$tmp/lines"
ct -F 2>/dev/null
ct -R "$tmp/lines" 2>"$tmp/load.log" || fail "what was saved does not load"
saved | cmp -s - "$tmp/before" || fail "another table: $(saved | diff - "$tmp/before" | head -4)"

# -- events --
listens()
{
	in_ns a awk '$2 == 12 && $4 != "00000000" { f = 1 } END { exit !f }' /proc/net/netlink
}
events()         # FORMAT LINES: of one flow that comes, changes and goes
{
	ip netns exec "$prefix-a" "$conntrack" -E -o "$1" >"$tmp/events" 2>/dev/null &
	local pid=$!
	pids+=($pid)
	await 5 listens || fail "-E -o $1 does not listen"
	ct -I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 50 -m 3 2>/dev/null
	ct -U -f ipv4 -p udp -s 1.1.1.1 -m 4 >/dev/null 2>&1
	ct -D -p udp -s 1.1.1.1 >/dev/null 2>&1
	await 5 has_lines "$2" || fail "-E -o $1: $(wc -l <"$tmp/events") of $2 lines"
	kill "$pid"
	wait "$pid" 2>/dev/null
}
has_lines()
{
	[ "$(wc -l <"$tmp/events")" -ge "$1" ]
}
events json 3
python3 -c '
import json, sys
e = [json.loads(l) for l in open(sys.argv[1])]
assert [x["event"] for x in e] == ["new", "update", "destroy"], e
assert all(x["portid"] and x["time_ns"] > 1e18 for x in e), e
assert e[1]["mark"] == 4, e' "$tmp/events" || fail "events as JSON"
events xml 5
python3 -c '
import sys, xml.etree.ElementTree as ET
r = ET.parse(sys.argv[1]).getroot()
assert [f.get("type") for f in r] == ["new", "update", "destroy"]' "$tmp/events" || fail "events as XML"
events save 3
[ "$(cut -c1-2 "$tmp/events" | tr -d '\n')" = -A-U-D ] || fail "events to be loaded: $(cat "$tmp/events")"
grep -q USERSPACE "$tmp/events" && fail "lines that are read back have more than a command line"
echo "800 flows as text, JSON, XML and command lines"
