#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Options that no other scenario sets: each changes what can be seen of the daemon from
# outside, or the configuration is refused with a reason that names it. tests/tools/options.py
# sees to it that every option of the daemon stands in some scenario.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is needed"
ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0

flow() # NS NUMBER ARGS...
{
	local space=$1 number=$2
	shift 2
	in_ns "$space" "$conntrack" -I -t 3000 -s "10.1.0.$number" -d 192.0.2.1 -p tcp --sport 1024 \
		--dport 80 --state ESTABLISHED "$@" >/dev/null 2>"$tmp/flow.log" || fail "cannot make a flow"
}

stop() # NAME PID
{
	ask "$1" -k && wait "$2" || fail "$1 ended with $?"
}

subscribes() # does a process in a listen to events of conntrack? columns: protocol, pid, groups
{
	in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink
}

events_sysctl() { in_ns a sysctl -n net.netfilter.nf_conntrack_events; }
cached() { [ "$(ask a -i | wc -l)" = "$1" ]; }
dying() { in_ns a "$conntrack" -L dying 2>/dev/null | grep -c .; }

# -- what one node shows of its process and its sockets: first as the defaults have it --
config a 10.9.0.1 10.9.0.2 sync0
in_ns a sysctl -qw net.netfilter.nf_conntrack_events=0 || fail "sysctl"
daemon a a
[ "$(events_sysctl)" = 1 ] || fail "events_sysctl: the daemon leaves it at $(events_sysctl)"
[ "$(stat -c %a "$tmp/a.sock")" = 600 ] || fail "control.mode: $(stat -c %a "$tmp/a.sock")"
subscribes || fail "the daemon does not listen to events"
for i in {1..10}; do flow a $i; done
await 10 cached 10 || fail "the cache holds $(ask a -i | wc -l) of 10"
stop a "$daemon_pid"
grep -q ' info: ' "$tmp/a.log" || fail "log.target: nothing of the start on standard error"

mkdir "$tmp/plugins" && cp -L "$build"/.libs/udp.so "$tmp/plugins" || fail "no udp.so"
grep -vE '^(control|log) = ' "$tmp/a.cfg" >"$tmp/rest"
cat - "$tmp/rest" >"$tmp/a.cfg" <<-CFG
	control = { socket = "$tmp/a.sock"; mode = "0660"; };
	log = { target = "$tmp/target.log"; level = "warn"; };
	plugin_path = ( "$tmp/plugins" );
	kernel = { events_sysctl = false; poll_interval = 1; };
	cache = { limit = 5; };
CFG
: >"$tmp/a.log"
in_ns a sysctl -qw net.netfilter.nf_conntrack_events=0 || fail "sysctl"
CTS_PLUGIN_PATH='' daemon a a
[ "$(events_sysctl)" = 0 ] || fail "events_sysctl = false: the daemon changes it"
[ "$(stat -c %a "$tmp/a.sock")" = 660 ] || fail "control.mode = \"0660\": $(stat -c %a "$tmp/a.sock")"
grep -q "$tmp/plugins/udp.so" "/proc/$daemon_pid/maps" || fail "plugin_path: udp.so is from elsewhere"
subscribes && fail "poll_interval = 1: it listens to events"
await 10 cached 5 || fail "cache.limit = 5: it holds $(ask a -i | wc -l)"
in_ns a "$conntrack" -D -s 10.1.0.0/16 >/dev/null 2>&1
await 10 cached 0 || fail "poll_interval = 1: the cache still holds $(ask a -i | wc -l)"
stop a "$daemon_pid"
[ -s "$tmp/a.log" ] && fail "log.target: lines on standard error"
[ -e "$tmp/target.log" ] || fail "log.target: no such file"
grep -q ' info: ' "$tmp/target.log" && fail "log.level = \"warn\": $(cat "$tmp/target.log")"
in_ns a sysctl -qw net.netfilter.nf_conntrack_events=1 || fail "sysctl"

# reliable_events: an entry whose destroy event finds no room stays until it is delivered
for reliable in false true; do
	config a 10.9.0.1 10.9.0.2 sync0
	echo "kernel = { event_buffer = 65536; reliable_events = $reliable; };" >>"$tmp/a.cfg"
	daemon a a
	kill -STOP "$daemon_pid"
	in_ns a "$build/bench/flowgen" create 3000 >/dev/null || fail "flowgen"
	in_ns a "$conntrack" -F >/dev/null 2>&1
	[ $reliable = true ] || [ "$(dying)" = 0 ] || fail "reliable_events = false: $(dying) entries stay"
	[ $reliable = false ] || [ "$(dying)" -gt 0 ] || fail "reliable_events = true: no entry stays"
	kill -CONT "$daemon_pid"
	stop a "$daemon_pid"
done

# -- what a sends, and what b makes of it --
config a 10.9.0.1 10.9.0.2 sync0 'attributes = ( "status", "timeout" ); min_age_ms = 1500;'
config b 10.9.0.2 10.9.0.1 sync0 'commit_timeout = 30;'
echo 'kernel = { collision = "replace"; };' >>"$tmp/b.cfg"
daemon a a
pid_a=$daemon_pid
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "not in sync"
start=$(date +%s%N)
flow a 1 -m 7 --reply-src 192.0.2.1 --reply-dst 10.1.0.1
# An entry of b's own answers to what a's does: one of them can be in the table.
in_ns b "$conntrack" -I -t 3000 -p tcp -s 10.1.0.99 -d 192.0.2.1 --sport 1024 --dport 80 --state ESTABLISHED \
	--reply-src 192.0.2.1 --reply-dst 10.1.0.1 >/dev/null 2>"$tmp/flow.log" || fail "cannot make b's"
in_ns a "$conntrack" -L 2>/dev/null | grep -q 'mark=7' || fail "no mark in a"
await 10 external_count b 1 || fail "the flow does not arrive"
took=$((($(date +%s%N) - start) / 1000000))
[ $took -ge 1300 ] || fail "min_age_ms = 1500: it came after $took ms"
ask b -e | grep -q 'mark=7' && fail "attributes without mark: it is sent"
ask b -c || fail "-c"
in_ns b "$conntrack" -L >"$tmp/kernel" 2>/dev/null
timeout=$(awk '/src=10.1.0.1 / { print $3 }' "$tmp/kernel")
[ -n "$timeout" ] || fail "collision = \"replace\": b's own is kept: $(cat "$tmp/kernel")"
grep -q 'src=10.1.0.99 ' "$tmp/kernel" && fail "both are there: $(cat "$tmp/kernel")"
ask b -s runtime | grep -qE '^[[:space:]]created:[[:space:]]+1$' || fail "-s runtime: $(ask b -s runtime | grep -A12 writes)"
[ "$timeout" -le 30 ] || fail "commit_timeout = 30: committed with $timeout s"

# -- who takes part --
config a 10.9.0.1 10.9.0.2 sync0 'cluster = "west"; nodes = ( "a", "b" );'
config b 10.9.0.2 10.9.0.1 sync0 'cluster = "east"; nodes = ( "a", "b" );'
stop b "$daemon_pid"
stop a "$pid_a"
daemon a a
pid_a=$daemon_pid
daemon b b
await 10 grep -q 'it is of another cluster' "$tmp/a.log" || fail "cluster: a takes no notice of b's: $(ask a --status)"
in_sync a && fail "cluster: in sync with a node of another one"
config b 10.9.0.2 10.9.0.1 sync0 'cluster = "west";'
stop b "$daemon_pid"
daemon b b
await 20 in_sync a && await 20 in_sync b || fail "one cluster, and not in sync: $(ask a --status)"
sed -i 's/^node = .*/node = "stranger";/' "$tmp/b.cfg"
stop b "$daemon_pid"
daemon b b
await 10 grep -q 'it is not one of sync.nodes' "$tmp/a.log" || fail "nodes: a takes no notice of the stranger: $(ask a --status)"
in_sync a && fail "nodes: in sync with one that is not named"
stop b "$daemon_pid"
stop a "$pid_a"

# -- options of plugins that show on the wire, and at the syslog daemon --
sed -i 's/transports = .*/transports = ( { plugin = "multicast"; group = "225.0.0.50"; interface = "sync0"; ttl = 7; send_buffer = 200000; receive_buffer = 400000; } );/' \
	"$tmp/a.cfg"
in_ns b nft -f - <<-NFT || fail "nft"
table inet seen {
  chain in { type filter hook prerouting priority -300; ip daddr 225.0.0.50 ip ttl 7 counter; }
}
NFT
cat >>"$tmp/a.cfg" <<-CFG
	outputs = ( { plugin = "log"; file = "syslog"; facility = "local3"; } );
CFG
cat >"$tmp/syslog.py" <<-PY
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	s.settimeout(10)
	print(s.recv(4096).decode())
PY
python3 "$tmp/syslog.py" "$tmp/syslog" >"$tmp/line" &
pids+=($!)
await 10 test -S "$tmp/syslog" || fail "no syslog daemon"
# ip netns exec gives it mounts of its own
in_ns a sh -c "mount -t tmpfs none /dev && : >/dev/log && mount --bind '$tmp/syslog' /dev/log &&
	exec '$conntrackd' -C '$tmp/a.cfg'" >>"$tmp/a.log" 2>&1 &
daemon_pid=$!
pids+=($daemon_pid)
await 10 ask a -s || fail "conntrackd a did not start"
flow a 77
await 10 grep -q 'src=10.1.0.77' "$tmp/line" || fail "no line at the syslog daemon"
grep -q '^<158>' "$tmp/line" || fail "facility = \"local3\": $(cat "$tmp/line")"
seen() { ! in_ns b nft list table inet seen | grep -q 'packets 0 '; }
await 10 seen || fail "ttl = 7: no such packet"
# The kernel keeps twice what is asked for.
in_ns a ss -Huamn >"$tmp/sockets"
grep -q ',rb800000,' "$tmp/sockets" || fail "receive_buffer = 400000: $(cat "$tmp/sockets")"
grep -q ',tb400000,' "$tmp/sockets" || fail "send_buffer = 200000: $(cat "$tmp/sockets")"
stop a "$daemon_pid"

# -- what this release does not do, it says --
while read -r option value; do
	config c 10.9.0.1 10.9.0.2 sync0 "$option = $value;"
	"$conntrackd" -C "$tmp/c.cfg" --check-config >"$tmp/refused" 2>&1 && fail "$option = $value is accepted"
	grep -q "sync\.$option: this release" "$tmp/refused" || fail "$option: $(cat "$tmp/refused")"
done <<-LIST
	internal_cache false
	expectations ( "ftp" )
	key_file "/etc/key"
LIST
echo "options: each is seen, or refused"
