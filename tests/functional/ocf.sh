#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agent for pacemaker: all its actions against a daemon, with the codes that the OCF
# asks for, its score, and meta-data that is XML and tells the truth.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is needed"
agent=$build/conf/pacemaker/conntrackd
flows=200

# code WANTED ACTION
code()
{
	in_ns a "$agent" "$2" >"$tmp/agent.log" 2>&1
	local got=$?
	[ $got = "$1" ] || fail "$2 ends with $got, not $1"
}

score()
{
	in_ns a "$agent" monitor >/dev/null 2>&1
	[ "$(tail -n 1 "$tmp/score")" = "$1" ]
}

kernel_count()
{
	[ "$(in_ns "$1" "$conntrack" -C)" = "$2" ]
}

ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
config a 10.9.0.1 10.9.0.2 sync0 "dead_after_ms = 1000;"
sed -i "s,target = \"stderr\",target = \"$tmp/a.log\"," "$tmp/a.cfg"
config b 10.9.0.2 10.9.0.1 sync0 "dead_after_ms = 1000;"
mkdir "$tmp/bin"
cat >"$tmp/bin/crm_master" <<SH
#!/bin/sh
echo "\$*" >>$tmp/score
SH
chmod 755 "$tmp/bin/crm_master"
: >"$tmp/score"
export PATH=$tmp/bin:$PATH OCF_RESKEY_binary=$conntrackd OCF_RESKEY_config=$tmp/a.cfg

"$agent" meta-data >"$tmp/meta.xml" || fail "meta-data"
python3 - "$tmp/meta.xml" "$agent" <<'PY' || fail "meta-data: $(cat "$tmp/meta.xml")"
import subprocess, sys
import xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
names = {a.get("name") for a in root.find("actions")}
assert names >= {"start", "stop", "monitor", "promote", "demote", "meta-data", "validate-all"}, names
assert all(a.get("timeout") for a in root.find("actions"))
assert {a.get("role") for a in root.iter("action") if a.get("name") == "monitor"} == {"Promoted", "Unpromoted"}
assert {p.get("name") for p in root.iter("parameter")} == {"binary", "config", "promote_timeout"}
assert all(p.find("longdesc").text and p.find("content").get("type") for p in root.iter("parameter"))
assert "@" not in open(sys.argv[1]).read()
PY

code 3 nonsense
code 0 validate-all
OCF_RESKEY_binary=/nonexistent code 5 validate-all
OCF_RESKEY_config=/nonexistent code 5 validate-all
echo 'sync = { transports = 7; };' >"$tmp/bad.cfg"
OCF_RESKEY_config=$tmp/bad.cfg code 6 validate-all
OCF_RESKEY_config=$tmp/bad.cfg code 6 start
code 7 monitor
code 7 promote
code 7 demote
code 0 stop

daemon b b
in_ns b "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
code 0 start
code 0 start
code 0 monitor
await 10 external_count a $flows || fail "a holds $(ask a -e | wc -l) of $flows"
await 10 score "-l reboot -v 100" || fail "score in sync: $(cat "$tmp/score")"
code 0 promote
kernel_count a $flows || fail "promote came back and the kernel holds $(in_ns a "$conntrack" -C)"
code 8 monitor
score "-l reboot -v 1000" || fail "score promoted: $(tail -n 1 "$tmp/score")"
code 0 promote
code 8 monitor
code 0 start
code 0 demote
code 0 monitor
kernel_count a 0 || fail "demoted, and the kernel holds $(in_ns a "$conntrack" -C)"
code 0 demote

in_ns b ip link set sync0 down
await 10 score "-l reboot -v 50" || fail "score of a survivor: $(tail -n 1 "$tmp/score")"
in_ns b ip link set sync0 up
await 20 score "-l reboot -v 100" || fail "score in sync again: $(tail -n 1 "$tmp/score")"

pid=$(head -n 1 "$tmp/a.lock")
kill -9 $pid || fail "no pid of the daemon in its lock"
await 5 test ! -d /proc/${pid// /} || fail "kill"
code 7 monitor
code 0 start
code 0 monitor
code 0 stop
code 7 monitor
[ "$(tail -n 1 "$tmp/score")" = "-l reboot -D" ] || fail "the score stays after a stop"
code 0 stop

ask b -k || fail "-k"
code 0 start
[ "$(tail -n 1 "$tmp/score")" = "-l reboot -D" ] || fail "a score before anybody could be received from"
await 10 score "-l reboot -v 50" || fail "score alone: $(tail -n 1 "$tmp/score")"
code 0 stop
echo "all actions, $(wc -l <"$tmp/score") scores"
