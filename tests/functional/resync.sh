#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack -E --resync: whatever is lost, who replays the lines has the kernel's table.
. "$(dirname "$0")/lib.sh"
ns a

ct() { in_ns a "$conntrack" "$@"; }
load() { ct -R "$1" >/dev/null 2>"$tmp/err.log" || fail "cannot load"; }

# watch ARGUMENTS...: lines go to $tmp/lines, the rest to $tmp/watch.log
watch()
{
	ip netns exec "$prefix-a" "$conntrack" -E --resync -b 65536 "$@" \
		>"$tmp/lines" 2>"$tmp/watch.log" &
	watcher=$!
	pids+=($watcher)
	await 10 listens || fail "-E does not start"
	# It listens, then reads the table: an event is shown only after that.
	ct -I -t 3000 -s 9.9.9.9 -d 9.9.9.8 -p tcp --sport 9 --dport 9 --state LISTEN 2>"$tmp/err.log"
	ct -D -s 9.9.9.9 >/dev/null 2>&1
	until_quiet
}

listens() { in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink; }

# All that was sent is read, and the table was read after the last loss.
until_quiet() { await 30 drained || fail "-E does not read"; }
drained()
{
	in_ns a awk '$2 == 12 && $4 != "00000000" && $5 > 0 { left = 1 } END { exit left }' /proc/net/netlink &&
		grep -q '^State:.S' "/proc/$watcher/status"
}

finish()
{
	kill -TERM "$watcher"
	wait "$watcher" || fail "-E ends with a failure"
}

# One line for each entry: protocol, tuples, state, flags, mark. Of lines of -E what
# remains when they are carried out, upon what $tmp/base has.
normal_lines='
function normal(s) {
	sub(/^ *\[[A-Z]+\] */, "", s)
	gsub(/ use=[0-9]+| \[USERSPACE\].*| packets=[0-9]+ bytes=[0-9]+/, "", s)
	gsub(/ +/, " ", s)
	sub(/ $/, "", s)
	if (match(s, /^[a-z]+ [0-9]+ [0-9]+ /)) sub(/ [0-9]+ [0-9]+ /, " T ", s)
	return s
}
function key(s,    n) {
	n = index(substr(s, index(s, "src=") + 4), "src=") + index(s, "src=") + 2
	match(s, /zone[^ ]*/)
	return substr(s, 1, index(s, " ")) substr(s, index(s, "src="), n - index(s, "src=")) \
		(RSTART ? substr(s, RSTART, RLENGTH) : "")
}
function short(s,    k) { k = key(s); sub(/ \[UNREPLIED\]/, "", k); return k }
'
replay() # BASE LINES
{
	awk "$normal_lines"'
	!/^ *\[/ { s = normal($0); t[short(s)] = s; next }
	{ s = normal($0) }
	/\[DESTROY\]/ { delete t[short(s)]; next }
	{ t[short(s)] = s }
	END { for (k in t) print t[k] }' "$1" "$2" | sort
}

table() { ct -L "$@" 2>/dev/null; }
same() # WHAT [SELECTION]
{
	local what=$1
	shift
	replay "$tmp/base" "$tmp/lines" >"$tmp/have"
	table "$@" | awk "$normal_lines"'{ print normal($0) }' | sort >"$tmp/want"
	diff "$tmp/want" "$tmp/have" >"$tmp/diff.log" || fail "$what: the lines do not give the table"
	rm "$tmp/diff.log"
}
lost() { awk '/ lost [0-9]+ events/ { n += $5 } END { print n + 0 }' "$tmp/watch.log"; }
said() { sed -nE 's/.*table was read again: (.*)/\1/p' "$tmp/watch.log" | tail -n 1; }

# flows FIRST LAST OPTION...: lines for them
flows()
{
	awk -v a="$1" -v b="$2" -v what="$3" 'BEGIN { for (i = a; i < b; i++) {
		tcp = i % 3
		printf "%s -s 10.%d.%d.%d -d 192.0.2.1 -p %s --sport %d --dport 80 %s\n", substr(what, 1, 2),
			i / 65536, i / 256 % 256, i % 256, tcp ? "tcp" : "udp", 1024 + i % 1000,
			substr(what, 3) (tcp && what ~ /^-A/ ? " --state ESTABLISHED" : "")
	} }'
}

# -- the reader stands still; 50,000 are made, 20,000 of them go again --
: >"$tmp/base"
watch
kill -STOP "$watcher"
{
	flows 0 50000 "-A -t 3000 -m 1"
	flows 5000 10000 "-U -m 77"
	flows 30000 50000 "-D"
} >"$tmp/flows"
load "$tmp/flows"
kill -CONT "$watcher"
await 30 grep -q 'read again' "$tmp/watch.log" || fail "no loss was made up for"
same "50,000 flows"
[ "$(ct -C)" = 30000 ] || fail "$(ct -C) entries"
[ "$(lost)" -gt 40000 ] || fail "only $(lost) events were lost"
echo "50,000 flows: $(lost) lost; $(said)"

# -- known ones change, go, and come again as others, while nobody looks --
ct -L 2>/dev/null >"$tmp/base"
: >"$tmp/watch.log"
seen=$(wc -l <"$tmp/lines")
kill -STOP "$watcher"
{
	flows 60000 65000 "-A -t 3000 -m 1"  # these fill the buffer
	flows 0 1000 "-U -m 5"
	flows 1000 2000 "-U -u ASSURED"
	flows 2000 3000 "-D"
	flows 3000 4000 "-D"
	flows 3000 4000 "-A -t 3000 -m 1"    # the same again, but for the id
	flows 60000 65000 "-D"
} >"$tmp/flows"
load "$tmp/flows"
kill -CONT "$watcher"
await 30 grep -q 'read again' "$tmp/watch.log" || fail "no loss was made up for"
finish
tail -n "+$((seen + 1))" "$tmp/lines" >"$tmp/lines.2" && mv "$tmp/lines.2" "$tmp/lines"
same "changed entries"
grep -c '\[UPDATE\]' "$tmp/lines" | grep -qx 2000 || fail "not 2,000 updates"
said | grep -q ' 2000 changed, ' || fail "not said: $(said)"
echo "changed entries: $(lost) lost; $(said)"

# -- without a pause: events and the table are read side by side --
ct -F 2>/dev/null
: >"$tmp/base"
watch
for i in {1..4}; do
	flows 0 20000 "-A -t 3000 -m $i"
	flows 0 20000 "-U -u SEEN_REPLY"
	flows $((i * 1000)) 20000 "-D"
done >"$tmp/flows"
load "$tmp/flows"
until_quiet
finish
same "a running table"
echo "a running table: $(lost) lost; $(said)"

# -- what is selected, of the kinds that are asked for; what was there is not shown --
table >"$tmp/all"
watch -p udp -e NEW,DESTROY
kill -STOP "$watcher"
{ flows 70000 90000 "-A -t 3000 -m 1"; flows 0 2000 "-D"; flows 2000 3000 "-U -m 9"; } >"$tmp/flows"
load "$tmp/flows"
kill -CONT "$watcher"
await 30 grep -q 'read again' "$tmp/watch.log" || fail "no loss was made up for"
finish
grep -vE '^ *\[(NEW|DESTROY)\] udp ' "$tmp/lines" >"$tmp/diff.log" && fail "other lines are shown"
grep '^udp' "$tmp/all" >"$tmp/base"
ct -U -m 1 -s 10.0.0.0/16 >/dev/null 2>&1
sed -i 's/mark=[0-9]*/mark=1/' "$tmp/base"
same "selected entries" -p udp

# -- it goes with -E alone --
for command in -L -D -F -C "-R $tmp/flows"; do
	ct $command --resync >/dev/null 2>&1
	[ $? = 2 ] || fail "$command takes --resync"
done
