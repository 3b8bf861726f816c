#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every line of -o json is what doc/conntrack.schema.json says, of real flows of all
# protocols, events, expectations, statistics, counts, groups and rates; and the schema has
# no member that it does not name, and refuses what is wrong.
. "$(dirname "$0")/lib.sh"
python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is missing"
ns a
ct() { in_ns a "$conntrack" "$@"; }
schema=$src/doc/conntrack.schema.json

# As strict as can be: the schema lets pass what a later version may add, this does not.
cat >"$tmp/check.py" <<'PYTHON'
import json, sys
from jsonschema import Draft202012Validator, FormatChecker

def strict(node):
    if isinstance(node, dict):
        if node.get("type") == "object":
            node["additionalProperties"] = False
        for child in node.values():
            strict(child)
    elif isinstance(node, list):
        for child in node:
            strict(child)

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
strict(schema["$defs"])
kind = schema["$defs"][sys.argv[2]]
validator = Draft202012Validator({**kind, "$defs": schema["$defs"]}, format_checker=FormatChecker())
every = Draft202012Validator(schema, format_checker=FormatChecker())
wanted = dict.fromkeys(sys.argv[4:], 0)
rows = [json.loads(line) for line in open(sys.argv[3])]
for row in rows:
    for error in validator.iter_errors(row):
        sys.exit(f"{json.dumps(row)}: {list(error.absolute_path)}: {error.message}")
    for error in every.iter_errors(row):
        sys.exit(f"{json.dumps(row)} is not one of all kinds: {error.message}")
    for path in wanted:
        at = row
        for part in path.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        wanted[path] += at is not None
if not rows:
    sys.exit("no lines")
missing = [path for path, n in wanted.items() if not n]
if missing:
    sys.exit(f"no line has {missing}")
print(f"{len(rows)} lines of kind {sys.argv[2]}")
PYTHON

check()          # KIND FILE [MEMBERS...]: that some line has
{
	python3 "$tmp/check.py" "$schema" "$@" || fail "$1 in $(basename "$2")"
}

in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1 2>/dev/null
in_ns a nft -f - <<'NFT' || fail "nft"
table ip t {
	ct helper ftp { type "ftp" protocol tcp; };
	chain c { type filter hook output priority 0; ct state new accept; ct label set 5; };
};
NFT
listens() { in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink; }
watch()          # FILE OPTIONS...: -E into it; its pid is in $watcher
{
	local file=$1
	shift
	ip netns exec "$prefix-a" "$conntrack" -E "$@" >"$file" 2>"$tmp/watch.log" &
	watcher=$!
	pids+=($watcher)
	await 10 listens || fail "-E does not listen"
}
unwatch()
{
	kill -INT $watcher
	wait $watcher || fail "-E ended with $?"
}

watch "$tmp/events" -o json
ct -R - 2>"$tmp/load.log" <<'LINES' || fail "flows could not be made"
-I -t 100 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -m 7
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -w 5
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 --orig-zone 6
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 9
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 1 --dstkey 2
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 3 --reply-vtag 4
-I -t 100 -s 10.0.0.1 -d 10.0.0.2 -p 200
-I -t 100 -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9
-I -t 100 -s 10.0.0.9 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state SYN_SENT -n 192.0.2.1
-I -t 100 -s 10.0.0.3 -d 10.0.0.4 -p tcp --sport 1000 --dport 21 --state ESTABLISHED -u SEEN_REPLY,ASSURED --helper ftp
LINES
in_ns a bash -c 'echo some bytes >/dev/udp/127.0.0.1/9'
ct -L -o json >"$tmp/flows" 2>/dev/null
ct -U -p tcp -m 8 >/dev/null 2>&1
ct -D -p udp -o json >"$tmp/deleted" 2>/dev/null
unwatch
check flow "$tmp/flows" timeout state tcp.flags sctp.vtag orig.sport orig.srckey orig.type orig.zone orig.packets \
	reply.dst status mark zone labels helper id use start_ns
check flow "$tmp/events" event time_ns portid mark
check flow "$tmp/deleted" orig.sport
for type in new update destroy; do
	grep -q "\"event\":\"$type\"" "$tmp/events" || fail "no event $type"
done

watch "$tmp/expect-events" expect -o json
ct -I expect -t 50 -s 10.0.0.3 -d 10.0.0.4 -p tcp --sport 1000 --dport 21 --tuple-src 10.0.0.3 --tuple-dst 10.0.0.4 \
	--tuple-port-src 0 --tuple-port-dst 4000 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 \
	--mask-port-src 0 --mask-port-dst 65535 2>"$tmp/expect.log" || fail "-I expect"
ct -L expect -o json >"$tmp/expectations" 2>/dev/null
await 5 [ -s "$tmp/expect-events" ] || fail "no event of an expectation"
unwatch
check expectation "$tmp/expectations" timeout expected.dport mask.dport master.sport flags
check expectation "$tmp/expect-events" event time_ns

ct -C -o json >"$tmp/count" && check count "$tmp/count" entries
ct -C -p tcp -o json >"$tmp/count" && check count "$tmp/count" entries
ct -S -o json >"$tmp/cpus" && check cpu "$tmp/cpus" cpu found insert_failed
ct -S expect -o json >"$tmp/cpus" && check cpu "$tmp/cpus" cpu expect_new
ct -L --by src,dst/24,proto,state,sport,status,label -o json >"$tmp/groups" 2>/dev/null
check group "$tmp/groups" by.src by.dst/24 by.state by.status by.label count packets bytes percent
ct -L --by family,mark,zone,helper,icmp-type,secmark,orig-zone,src/24/56 -o json >"$tmp/groups" 2>/dev/null
check group "$tmp/groups" by.family by.mark by.zone by.helper by.icmp-type by.secmark by.orig-zone by.src/24/56
watch "$tmp/rates" --by dport,dst/8 --every 60 -o json
ct -I -t 10 -s 1.0.0.1 -d 2.0.0.1 -p udp --sport 1 --dport 53 2>/dev/null
unwatch
check rate "$tmp/rates" new new_per_s by.dport

# The test can fail: lines that are wrong in one thing each.
grep -m 1 '"protonum":200' "$tmp/flows" >"$tmp/good"
for change in 's/"family":"ipv4"/"family":"ipv5"/' 's/"protonum":[0-9]*/"protonum":256/' 's/"timeout":/"tiemout":/' \
	's/"orig":{/"orig":{"sport":-1,/' 's/"status":\[/"status":["SEEN",/' 's/^{/{"event":"new",/' 's/"mark":[0-9]*/"mark":"7"/' \
	's/"src":"[^"]*"/"src":"10.0.0.256"/'; do
	sed "$change" "$tmp/good" >"$tmp/bad"
	! cmp -s "$tmp/good" "$tmp/bad" || fail "$change changes nothing"
	! python3 "$tmp/check.py" "$schema" flow "$tmp/bad" >/dev/null 2>&1 || fail "accepted: $(cat "$tmp/bad")"
done
echo "lines of JSON are what the schema says"
