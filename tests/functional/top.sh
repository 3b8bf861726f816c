#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --top in a real terminal (tmux): groups, order, fields, filters right and wrong, looking
# into a flow, deleting it after a question, no accounting, narrow screens, colour, the end.
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null || skip "tmux is missing"
[ -x "$build/.libs/conntrack-top" ] || skip "built without ncurses"
ns a
ct() { in_ns a "$conntrack" "$@"; }
mux() { tmux -S "$tmp/tmux" -f /dev/null "$@"; }
stop_mux() { mux kill-server 2>/dev/null; }
at_cleanup+=(stop_mux)

screen() { mux capture-pane -p -t top >"$tmp/screen.log"; cat "$tmp/screen.log"; }
shows() { screen | grep -qE -- "$1"; }
shows_not() { ! shows "$1"; }
sees() { await 10 shows "$1" || fail "the screen does not show: $1"; }
lacks() { await 10 shows_not "$1" || fail "the screen still shows: $1"; }
press() { mux send-keys -t top "$@"; }
enter() { mux send-keys -t top -l -- "$1" && press Enter; }   # TEXT

# Without a session the server would end, at a moment of its own.
mux new-session -d -s keep "read -r _" || fail "tmux does not start"

# open WIDTHxHEIGHT OPTIONS...: --top with TERM and all that in a terminal of this size
open()
{
	local size=$1
	shift
	mux kill-session -t top 2>/dev/null
	mux new-session -d -s top -x "${size%x*}" -y "${size#*x}" \
		"${terminal:-env} ip netns exec $prefix-a $conntrack --top $* 2>$tmp/top.log; echo ended \$?; read -r _" ||
		fail "tmux does not start"
}

in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=0
for i in 1 2 3 4 5; do
	for ((k = 0; k < i; k++)); do
		echo "-I -t 1000 -s 10.0.$i.1 -d 192.168.1.$k -p tcp --sport 4000 --dport $((80 + k)) --state ESTABLISHED"
	done
done >"$tmp/lines"
echo "-I -t 1000 -s 2001:db8::5 -d 2001:db8::6 -p udp --sport 53 --dport 5353 -m 9" >>"$tmp/lines"
ct -R "$tmp/lines" 2>"$tmp/load.log" || fail "flows could not be made"

open 100x24
sees 'conntrack --top  16 flows, .* of [0-9]+, 6 groups, every 2 s'
sees '^by src, sorted by flows, filter: none'
sees '^10\.0\.5\.1 +5 +31\.2 +- +- +-$'
[ "$(screen | sed -n 4p | cut -d ' ' -f 1)" = 10.0.5.1 ] || fail "the largest is not first"
sees 'nf_conntrack_acct=1'

# Another grouping, and one that is none.
press b; sees '^group by: src'
press C-u; enter proto,dport
sees '^udp    5353 +1 +6\.2'
press b; press C-u; enter nonsense
sees 'nonsense. is no field for'
sees '^by proto,dport'
press b; press C-u; press dst Escape
lacks '^group by:'
sees '^by proto,dport'

# Filters, as on the command line.
press f; sees '^filter:'
enter '-p tcp --dport 81'
sees '  4 flows, .* 1 groups'
sees 'filter: -p tcp --dport 81$'
press f; press C-u; enter '-p tcp --dport x'
sees 'bad value .x. for .--dport|Bad|bad|invalid'
sees 'filter: -p tcp --dport 81$'
press f; press C-u; enter '--zero'
sees 'Illegal option .--zero|unknown option|refused|[Cc]an.t'
press f; press C-u Enter
sees ' 16 flows'

# Into a group, into a flow; delete only after a yes.
press f; enter '-s 10.0.3.1'
sees ' 3 flows'
press Enter
sees '^tcp 10\.0\.3\.1:4000 > 192\.168\.1\.[0-2]:8[0-2] ESTABLISHED [0-9]+s'
press Escape
sees '^proto  dport'
press a
sees '^3 flows'
press Down; press Enter
sees '^src +10\.0\.3\.1$'
sees '^state +ESTABLISHED$'
chosen=$(screen | awk '$1 == "dst" { print $2 }')
press d; sees 'delete this flow'
press n; sees 'not deleted'
[ "$(ct -C -s 10.0.3.1)" = 3 ] || fail "deleted after a no"
press d; sees 'delete this flow'
press y; sees '^deleted|this flow is gone'
[ "$(ct -C -s 10.0.3.1)" = 2 ] || fail "not deleted after a yes"
[ "$(ct -C -s 10.0.3.1 -d "$chosen")" = 0 ] || fail "another flow was deleted"
sees 'this flow is gone'
press Escape; sees '^2 flows'
press d; sees 'delete this flow'
ct -D -s 10.0.3.1 >/dev/null 2>&1
press y; sees 'gone already'
press Escape
press d; sees 'choose a flow first'
press h; sees '^Enter +look into a group'
press Escape; lacks 'look into a group, then'

# The end.
press q
sees '^ended 0'

# Accounting: bytes and rates of real packets.
in_ns a sysctl -qw net.netfilter.nf_conntrack_acct=1
in_ns a nft -f - <<'NFT' || fail "nft"
table ip t { chain c { type filter hook output priority 0; ct state new accept; }; }
NFT
ct -F 2>/dev/null
# One socket, so that the same flow goes on; every second write is refused by nobody listening.
in_ns a bash -c 'exec 3<>/dev/udp/127.0.0.1/9; while :; do printf %0972d 0 >&3; read -r -t 0.05 <> <(:); done' 2>/dev/null &
pids+=($!)
open 100x24 --by dst,dport --every 0.3 --sort bytes
sees '^by dst,dport, sorted by bytes, filter: none'
sees '^127\.0\.0\.1  9 +1 +100\.0 +[0-9]+ +[0-9.]+[KM]? +[1-9][0-9.]*[KM]?$'
lacks 'nf_conntrack_acct'
press s; sees 'sorted by bytes/s'
press p; sees 'paused'
press +; sees 'every 0.6 s'

# Narrow and low: text is cut, the column that is sorted by stays.
mux resize-window -t top -x 34 -y 8 2>/dev/null
sees '^dst,? ?.*bytes/s$'
[ "$(screen | wc -L)" -le 34 ] || fail "wider than the screen"
mux resize-window -t top -x 12 -y 3 2>/dev/null
press h; press Escape; press p
mux resize-window -t top -x 100 -y 24 2>/dev/null
sees 'bytes/s$'
press q; sees '^ended 0'

# Colour where the terminal has it and nobody objects.
coloured() { mux capture-pane -p -e -t top | grep -q $'\e\[[0-9;]*3[0-7]m'; }
terminal="env TERM=screen-256color" open 80x24
sees '^by src'
await 5 coloured || fail "no colour"
terminal="env TERM=screen-256color NO_COLOR=1" open 80x24
sees '^by src'
! coloured || fail "colour in spite of NO_COLOR"
press q

# Without a terminal, without sense.
ct --top </dev/null >"$tmp/out" 2>"$tmp/refused.log" && fail "--top without a terminal"
grep -q 'needs a terminal' "$tmp/refused.log" && [ ! -s "$tmp/out" ] || fail "no terminal is not said"
while IFS='|' read -r options text; do
	ct $options >"$tmp/out" 2>"$tmp/refused.log"
	[ $? = 2 ] && grep -qF -- "$text" "$tmp/refused.log" || fail "$options is not refused with: $text"
done <<'CASES'
--top 5|`--top 5' goes with -L, -C or -E
--top --by nonsense|`nonsense' is no field
--top --sort colour|groups are sorted by
--top -o json|Illegal option `--output'
--top -z|Illegal option `--zero'
--top --limit 5|Illegal option `--limit'
CASES
CTS_PLUGIN_PATH=/nowhere ct --top >"$tmp/out" 2>"$tmp/refused.log"
[ $? = 1 ] && grep -q 'comes with a build that has ncurses' "$tmp/refused.log" || fail "a build without ncurses does not say so"
echo "--top shows, looks into, deletes and ends"
