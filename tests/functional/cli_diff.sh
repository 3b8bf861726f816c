#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack against Debian's: each command line of cli_diff.cases runs through
# both, in two namespaces with the same table; standard output, exit status,
# standard error and the table afterwards are compared. Intended differences are
# named in doc/DIFFERENCES.md; one that is not there any more is a failure too. Where the
# distribution's release is wrong, the case itself says what is right: `as' compares with
# another command line of the other tool, `=STATUS' with texts that stand below it.
#
#   cli_diff.sh [WORD...]   only cases that contain one of the words
#   CTS_CASES=FILE          these cases instead of cli_diff.cases
#   ORACLE=PATH             the other tool; else the installed one, else the
#                           distribution's package is fetched
set -u
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
cases=${CTS_CASES:-cli_diff.cases}
theirs_ns=cts-dt-$$
ours_ns=cts-do-$$
other_ns="$theirs_ns $ours_ns"
. "$src/tests/functional/cli_oracle.sh"
failed=0
ran=0

ip netns add "$theirs_ns" 2>/dev/null || skip "no network namespaces"
ip netns add "$ours_ns" || skip "no second network namespace"

# The table that every case starts from.
cat >"$tmp/labels" <<'END'
0 zero
1 bad-flow
5 eth0-in
200 high
END
cat >"$tmp/table" <<'END'
-A -t 1000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1000 --dport 80 --state ESTABLISHED -m 1
-A -t 1000 -u SEEN_REPLY -s 10.0.0.1 -d 10.0.0.3 -p tcp --sport 1001 --dport 443 --state SYN_SENT -m 1
-A -t 1000 -s 10.0.1.1 -d 10.0.0.3 -p tcp --sport 1002 --dport 443 --state TIME_WAIT -m 1
-A -t 1000 -u SEEN_REPLY,ASSURED -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 53 --dport 53 -m 1
-A -t 1000 -s 10.0.0.9 -d 10.0.0.2 -p udp --sport 500 --dport 4500 -w 7 -m 1
-A -t 1000 -s 10.0.0.10 -d 10.0.0.2 -p udp --sport 501 --dport 4500 --orig-zone 8 -m 1
-A -t 1000 -s 10.0.0.11 -d 10.0.0.2 -p udp --sport 502 --dport 4500 --reply-zone 9 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p udplite --sport 5 --dport 6 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 7 --dport 8 --state ESTABLISHED --orig-vtag 11 --reply-vtag 12 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 17 --dstkey 300 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 99 -m 1
-A -t 1000 -s 10.0.0.1 -d 10.0.0.2 -p 200 -m 1
-A -t 1000 -u SEEN_REPLY -s 10.0.2.1 -d 10.0.0.2 -n 192.0.2.1:6000 -p tcp --sport 1003 --dport 80 --state ESTABLISHED -m 1
-A -t 1000 -u SEEN_REPLY -s 10.0.2.2 -d 10.0.0.2 -g 192.0.2.2:8080 -p tcp --sport 1004 --dport 80 --state ESTABLISHED -m 1
-A -t 1000 -u SEEN_REPLY,ASSURED -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 1005 --dport 80 --state ESTABLISHED -m 1
-A -t 1000 -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 1006 --dport 53 -m 1
-A -t 1000 -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 98 -m 1
-A -t 1000 -u SEEN_REPLY -s 2001:db8:1::1 -d 2001:db8::2 -n 2001:db8:ffff::1 -p tcp --sport 1007 --dport 80 --state ESTABLISHED -m 1
END

in_ns() { ip netns exec "$@"; }

# Marks of loaded lines are all the last line's in the other tool, so they are set after.
fill() {
	in_ns "$1" "$oracle" -F >/dev/null 2>&1
	in_ns "$1" "$oracle" -R "$tmp/table" >"$tmp/fill" 2>&1 || {
		echo "cannot fill the table:"; cat "$tmp/fill"; exit 1; }
	in_ns "$1" "$oracle" -U -f ipv4 -p tcp -m 42 >/dev/null 2>&1
	in_ns "$1" "$oracle" -U -f ipv6 -m 0xff00 >/dev/null 2>&1
}

the_table() { in_ns "$1" "$oracle" -L -o extended 2>/dev/null | normal | sort; }

# Most command lines change nothing: the same entries serve until they age visibly.
filled_at=-100
fill_both() {
	[ $((SECONDS - filled_at)) -gt 5 ] || return
	filled_at=$SECONDS
	fill "$theirs_ns"
	fill "$ours_ns"
	the_table "$theirs_ns" >"$tmp/filled"
}

# Fill again before the next case, if this one changed anything.
settle() {
	cmp -s "$tmp/theirs.table" "$tmp/filled" && cmp -s "$tmp/ours.table" "$tmp/filled" ||
		filled_at=-100
}

# What differs between any two runs: ids, seconds that pass, order, version, port ids.
normal() {
	sed -E -e 's/( use=[0-9]+) id=[0-9]+/\1 id=N/' -e 's/conntrack v[0-9][0-9.]*/conntrack vN/' \
	    -e 's/^((\[TIME\]\t)? *(\[[A-Z]+\] +)?(ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )(9[0-9][0-9]|1000) /\1T /' \
	    -e 's/^((ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+ )(4[0-9][0-9]|500) /\1U /' \
	    -e 's/-t (9[0-9][0-9]|1000) /-t T /' -e 's/<id>[0-9]+</<id>N</' \
	    -e 's/<timeout>(9[0-9][0-9]|1000)</<timeout>T</' -e 's/<deltatime>[0-9]+</<deltatime>N</' \
	    -e 's/(portid=)[0-9]+/\1N/' -e 's/Version [0-9.]+/Version N/' \
	    -e 's/use=[0-9]+/use=N/' -e '/^cpu=/s/=[0-9]+ /=N /g'
}

# Lines of events: the cause may be gone before its name is looked up.
normal_events() {
	sed -E -e 's/ progname=.*//' -e 's/^\[[0-9]{8,}\.[0-9]{6}\]\t/[TIME]\t/' \
	    -e 's/id=[0-9]{4,}/id=N/' | normal
}

# What only reads cannot have changed the table; -z sets counters to zero.
reads_only() {
	case " $* " in *" -z "*|*--zero*) return 1 ;; esac
	case ${1:-} in -[LGCSVh]*|--dump|--get|--count*|--stats|--version|--help) return 0 ;; esac
	return 1
}

run() { # ns tool prefix words...
	local ns=$1 tool=$2 to=$3
	shift 3
	# shellcheck disable=SC2086
	timeout 20 ip netns exec "$ns" $as "$tool" "$@" >"$to.out" 2>"$to.err"
	echo "exit status $?" >"$to.status"
	normal <"$to.out" | sed -E "$leave_out" | sort >"$to.stdout"
	normal <"$to.err" | sed -E "$leave_out_err" >"$to.stderr"
	if reads_only "$@"; then
		cp "$tmp/filled" "$to.table"
	else
		the_table "$ns" >"$to.table"
	fi
}

compare() { # parts
	local part same=0

	for part in $1; do
		cmp -s "$tmp/theirs.$part" "$tmp/ours.$part" || same=1
	done
	return $same
}

show() {
	local part

	for part in status stdout stderr table; do
		diff -u --label "theirs: $part" --label "ours: $part" \
			"$tmp/theirs.$part" "$tmp/ours.$part"
	done
}

# kind: "same", "text" (standard error differs by intent) or the name of a difference
one_case() {
	local kind=$1
	shift
	ran=$((ran + 1))
	fill_both
	run "$theirs_ns" "$oracle" "$tmp/theirs" "$@"
	run "$ours_ns" "$ours" "$tmp/ours" "$@"
	settle
	case $kind in
	same)
		compare "status stdout stderr table" && return
		echo "FAIL: conntrack $*: differs from the other tool" ;;
	text)
		compare "status stdout table" && return
		echo "FAIL: conntrack $*: differs from the other tool" ;;
	*)
		if ! grep -q "^### $kind:" "$src/doc/DIFFERENCES.md"; then
			echo "FAIL: conntrack $*: doc/DIFFERENCES.md has no entry $kind"
		elif compare "status stdout stderr table"; then
			echo "FAIL: conntrack $*: no longer differs, see $kind"
		else
			return
		fi ;;
	esac
	show
	failed=$((failed + 1))
}

# ours and theirs are command lines that mean the same: `as|OURS|THEIRS'
as_case() {
	ran=$((ran + 1))
	fill_both
	# shellcheck disable=SC2086
	run "$theirs_ns" "$oracle" "$tmp/theirs" ${2//LABELS/$tmp\/labels}
	# shellcheck disable=SC2086
	run "$ours_ns" "$ours" "$tmp/ours" ${1//LABELS/$tmp\/labels}
	settle
	compare "status stdout stderr table" && return
	echo "FAIL: conntrack $1: differs from the other tool's $2"
	show
	failed=$((failed + 1))
}

# Only ours runs; stdout (<), stderr (!) and what the table loses (-) and gains (+) are the
# lines below the case.
expected_case() { # status words...
	local want=$1
	shift
	ran=$((ran + 1))
	fill_both
	run "$ours_ns" "$ours" "$tmp/ours" "$@"
	cp "$tmp/filled" "$tmp/theirs.table"
	settle
	echo "exit status $want" >"$tmp/theirs.status"
	sed -n 's/^<//p' "$tmp/expected" | sort >"$tmp/theirs.stdout"
	sed -n 's/^!//p' "$tmp/expected" >"$tmp/theirs.stderr"
	diff "$tmp/filled" "$tmp/ours.table" | sed -n 's/^< /-/p; s/^> /+/p' >"$tmp/changed"
	mv "$tmp/changed" "$tmp/ours.table"
	sed -n '/^[+-]/p' "$tmp/expected" >"$tmp/theirs.table"
	compare "status stdout stderr table" && return
	echo "FAIL: conntrack $*: is not what the case says"
	show
	failed=$((failed + 1))
}

# A socket in the namespace that listens to conntrack's event groups.
listens() {
	in_ns "$1" awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' \
		/proc/net/netlink
}

await() { # tries of 20 ms, then words...
	local tries=$1
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.02
	done
}

has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

make_events() {
	local how="-p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2"

	# shellcheck disable=SC2086
	{
		in_ns "$1" "$oracle" -I $how -t 1000 -m 3
		in_ns "$1" "$oracle" -U -f ipv4 $how -m 4
		in_ns "$1" "$oracle" -I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 3 --dport 4 \
			-t 1000 --state ESTABLISHED
		in_ns "$1" "$oracle" -D $how
	} >/dev/null 2>&1
}

# ns tool to lines words...: what one tool tells of the same events
watch_events() {
	local ns=$1 tool=$2 to=$3 lines=$4 pid
	shift 4

	in_ns "$ns" "$oracle" -F >/dev/null 2>&1
	ip netns exec "$ns" "$tool" "$@" >"$to.out" 2>"$to.err" &
	pid=$!
	await 250 listens "$ns" || echo "FAIL: conntrack $* does not listen"
	make_events "$ns"
	await 250 has_lines "$to.out" "$lines" || echo "FAIL: conntrack $*: too few lines"
	kill "$pid"
	wait "$pid"
	echo "exit status $?" >"$to.status"
	normal_events <"$to.out" >"$to.stdout"
	normal <"$to.err" >"$to.stderr"
	: >"$to.table"
}

# lines that are expected, then the command line
events_case() {
	ran=$((ran + 1))
	filled_at=-100
	watch_events "$theirs_ns" "$oracle" "$tmp/theirs" "$@"
	watch_events "$ours_ns" "$ours" "$tmp/ours" "$@"
	compare "status stdout stderr" && return
	shift
	echo "FAIL: conntrack $*: differs from the other tool"
	show
	failed=$((failed + 1))
}

wanted() {
	local word

	[ $# -gt 1 ] || return 0
	for word in "${@:2}"; do
		case $1 in *"$word"*) return 0 ;; esac
	done
	return 1
}

# What follows LINES, split at semicolons, is the content of a file.
with_lines() {
	case $line in
	*LINES*)
		printf '%s\n' "${line#*LINES }" | tr ';' '\n' >"$tmp/lines"
		line=${line%%LINES*}$tmp/lines ;;
	esac
}

set -f
# The next line of the cases into $next; those that say what is expected gather.
next=
next_line() {
	: >"$tmp/expected"
	while IFS= read -r next <&3; do
		case $next in [\<!+-]*) printf '%s\n' "${next//TMP/$tmp}" >>"$tmp/expected" ;; *) return 0 ;; esac
	done
	next=
	return 1
}

one_line() {
	local kind line

	IFS='|' read -r kind line <<<"$current"
	case $kind in ''|'#'*) return ;; esac
	wanted "$line" "${words[@]}" || return
	with_lines
	as=
	leave_out=
	leave_out_err=
	case $kind in
	saved:*)
		kind=${kind#*:}
		leave_out='s/^(-[AU] .*) -m [0-9]+/\1/' ;;
	powerless:*)
		kind=${kind#*:}
		leave_out_err='/: --[a-z]+ needs CAP_NET_ADMIN, /d'   # a line of ours after the same text
		as="setpriv --bounding-set=-net_admin --inh-caps=-net_admin" ;;
	esac
	case $kind in
	events*)
		# shellcheck disable=SC2086
		events_case "${kind#events}" $line ;;
	as)
		as_case "${line%%|*}" "${line#*|}" ;;
	=*)
		# shellcheck disable=SC2086
		expected_case "${kind#=}" ${line//LABELS/$tmp\/labels} ;;
	*)
		# shellcheck disable=SC2086
		one_case "$kind" ${line//LABELS/$tmp\/labels} ;;
	esac
}

words=("$@")
current=
exec 3<"$src/tests/functional/$cases"
while next_line || [ -n "$current" ]; do
	[ -z "$current" ] || one_line
	current=$next
done
if [ $# = 0 ] && [ "$cases" = cli_diff.cases ]; then
	for name in $(sed -n 's/^### \([a-z0-9-]*\):.*/\1/p' "$src/doc/DIFFERENCES.md"); do
		grep -qrE --include='cli_*.cases' "^([a-z]+:)?$name\\|" "$src/tests/functional" &&
			continue
		echo "FAIL: doc/DIFFERENCES.md: no command line shows $name"
		failed=$((failed + 1))
	done
fi
echo "$ran command lines, $failed failed (the other tool: $("$oracle" -V))"
[ "$failed" = 0 ] && [ "$ran" -gt 0 ]
