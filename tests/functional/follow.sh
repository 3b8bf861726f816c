#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon follows the table as conntrack -E --resync does (resync.sh): whatever is lost,
# and while the table is read, its cache is the kernel's table when events stop.
. "$(dirname "$0")/lib.sh"
ns a
cat >"$tmp/a.cfg" <<CFG
node = "a";
lock = "$tmp/a.lock";
control = { socket = "$tmp/a.sock"; };
log = { target = "stderr"; level = "info"; };
kernel = { event_buffer = 65536; reconcile_interval = 0; };   # read again after a loss alone
sync = { transports = ( { plugin = "null"; } ); };
CFG
daemon a a

ct() { in_ns a "$conntrack" "$@"; }
load() { ct -R "$1" >/dev/null 2>"$tmp/err.log" || fail "cannot load"; }
same() { kernel_flows a >"$tmp/k" && internal_flows a >"$tmp/i" && cmp -s "$tmp/k" "$tmp/i"; }
await_same() { await 30 same || fail "$1: $(diff "$tmp/k" "$tmp/i" | head -n 4)"; }
lost() { grep -o '[0-9]* in all; the kernel' "$tmp/a.log" | tail -n 1 | grep -o '^[0-9]*'; }

# flows FIRST LAST COMMAND [OPTIONS]: lines for them
flows()
{
	awk -v a="$1" -v b="$2" -v command="$3" -v options="${4:-}" 'BEGIN { for (i = a; i < b; i++)
		printf "%s -s 10.%d.%d.%d -d 192.0.2.1 -p tcp --sport %d --dport 80 %s\n", command,
			i / 65536, i / 256 % 256, i % 256, 1024 + i % 1000, options }'
}

# -- it stands still; 50,000 are made, 5,000 marked, 20,000 go --
kill -STOP "$daemon_pid"
{
	flows 0 50000 -A "-t 3000 --state ESTABLISHED"
	flows 5000 10000 -U "-m 77"
	flows 30000 50000 -D
} >"$tmp/lines"
load "$tmp/lines"
kill -CONT "$daemon_pid"
await_same "50,000 flows"
[ "$(wc -l <"$tmp/i")" = 30000 ] || fail "$(wc -l <"$tmp/i") entries"
[ "$(lost)" -gt 40000 ] || fail "only $(lost) events were lost"

# -- known ones change in part, go, and come again --
kill -STOP "$daemon_pid"
{
	flows 60000 65000 -A "-t 3000 --state ESTABLISHED"   # these fill the buffer
	flows 0 1000 -U "--state CLOSE_WAIT"
	flows 1000 2000 -U "-m 5"
	flows 2000 3000 -D
	flows 3000 4000 -D
	flows 3000 4000 -A "-t 3000 --state SYN_RECV"
	flows 60000 65000 -D
} >"$tmp/lines"
load "$tmp/lines"
kill -CONT "$daemon_pid"
await_same "changed flows"
[ "$(grep -c CLOSE_WAIT "$tmp/i")" = 1000 ] || fail "$(grep -c CLOSE_WAIT "$tmp/i") in CLOSE_WAIT"

# -- without a pause: events in part, losses and the table, side by side --
for i in 1 2 3; do
	flows 0 10000 -A "-t 3000 --state ESTABLISHED -m $i"
	flows 0 10000 -U "--state FIN_WAIT"
	flows 0 10000 -U "-m 1$i"
	flows 0 5000 -U "--state CLOSE_WAIT"
	[ $i = 3 ] || flows $((i * 1000)) 10000 -D
done >"$tmp/lines"
load "$tmp/lines"
await_same "a running table"
grep -q "CLOSE_WAIT.*mark=13" "$tmp/i" || fail "no CLOSE_WAIT with the last mark"
echo "$(lost) events lost, the cache is the table each time"
