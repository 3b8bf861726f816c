#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The expectation table on the real kernel: what is made is listed, found, deleted and
# reported, and every form is the established tool's, byte for byte.
. "$(dirname "$0")/lib.sh"
rival=$build/rivals/usr/sbin/conntrack
[ -x "$rival" ] || rival=$(type -P conntrack) || skip "no other conntrack: run ./quickstart check"
rival_libs=$(echo "$build"/rivals/usr/lib/*-linux-gnu)

theirs()
{
	in_ns a env TZ=UTC LD_LIBRARY_PATH="$rival_libs" "$rival" "$@"
}

ours()
{
	in_ns a env TZ=UTC "$conntrack" "$@"
}

# Timeouts, versions and moments differ by nature.
plain()
{
	sed -E 's/^((\[[0-9. ]+\]\t)?( *\[[A-Z]+\] )?)[0-9]+ proto/\1N proto/; s/<timeout>[0-9]+/<timeout>N/
		s/^\[[0-9]{8,}\.[0-9 ]{6}\]/[WHEN]/; s/<when>.*<.when>/<when>/; s/^conntrack v[0-9.]+/conntrack/'
}

same()
{
	theirs "$@" 2>"$tmp/err.t" | plain >"$tmp/out.t"
	ours "$@" 2>"$tmp/err.o" | plain >"$tmp/out.o"
	cmp -s "$tmp/out.t" "$tmp/out.o" || fail "$*: $(diff "$tmp/out.t" "$tmp/out.o" | head -4)"
	diff <(plain <"$tmp/err.t") <(plain <"$tmp/err.o") >"$tmp/diff" || fail "$*: $(cat "$tmp/diff")"
	checks=$((checks + 1))
}

refused()        # STATUS TEXT ARGS
{
	local want=$1 text=$2 got
	shift 2
	ours "$@" >"$tmp/out" 2>&1
	got=$?
	[ $got = "$want" ] && grep -q -- "$text" "$tmp/out" || fail "$*: status $got, $(cat "$tmp/out")"
	checks=$((checks + 1))
}

watches()        # how many listen in namespace a
{
	[ "$(in_ns a grep -c '^[0-9a-f]* 12 .* 000000[3-9a-f][0-9a-f] ' /proc/net/netlink)" = "$1" ]
}

checks=0
ns a
in_ns a sysctl -qw net.netfilter.nf_conntrack_events=1
for n in 1 2; do
	ours -I -t 900 -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 100$n --dport 21 --state ESTABLISHED \
		-u ASSURED,SEEN_REPLY --helper ftp >/dev/null 2>&1 || skip "the kernel has no ftp helper"
	ours -I -t 900 -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 100$n --dport 21 --state ESTABLISHED \
		-u ASSURED,SEEN_REPLY --helper ftp >/dev/null 2>&1 || fail "a master over IPv6"
done
ours -I -t 900 -s 10.0.0.3 -d 10.0.0.2 -p tcp --sport 1000 --dport 80 --state ESTABLISHED >/dev/null 2>&1

master="-p tcp --dport 21 -s 10.0.0.1 -d 10.0.0.2"
tuple="--tuple-src 10.0.0.2 --tuple-dst 10.0.0.1 --tuple-port-src 0"
mask="--mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535"
master6="-p tcp --dport 21 -s 2001:db8::1 -d 2001:db8::2"
tuple6="--tuple-src 2001:db8::2 --tuple-dst 2001:db8::1 --tuple-port-src 0"
mask6="--mask-src ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --mask-dst ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
	--mask-port-src 0 --mask-port-dst 65535"

same -L expect
same -L expect -o xml
# Two readers of each form, while things happen.
for who in ours theirs; do
	for form in plain timestamp xml; do
		args=(-E expect)
		[ $form = plain ] || args+=(-o $form)
		program=$conntrack libs=$LD_LIBRARY_PATH
		[ $who = ours ] || program=$rival libs=$rival_libs
		ip netns exec "$prefix-a" env TZ=UTC LD_LIBRARY_PATH="$libs" "$program" "${args[@]}" \
			>"$tmp/ev.$who.$form" 2>"$tmp/evsaid.$who.$form" &
		pids+=($!)
		readers+=($!)
	done
done
await 10 watches 6 || fail "no readers: $(in_ns a cat /proc/net/netlink)"
ours -I expect $master --sport 1001 $tuple --tuple-port-dst 4001 $mask -t 300 || fail "-I expect"
ours -I expect $master --sport 1002 $tuple --tuple-port-dst 4002 $mask -t 300 || fail "-I expect"
ours -I expect $master6 --sport 1001 $tuple6 --tuple-port-dst 4001 $mask6 -t 300 || fail "-I expect, IPv6"
for args in "" "-o xml" "-o extended,id" "-o timestamp" "-o save" "-o xml,timestamp"; do
	same -L expect -f ipv4 $args
	same -L expect -f ipv6 $args
done
same -S expect
[ "$(ours -C expect)" = 3 ] || fail "-C expect: $(ours -C expect)"
[ "$(ours -L expect 2>/dev/null | grep -c '^[0-9]* proto=6 ')" = 3 ] || fail "-L: $(ours -L expect)"

key="-p tcp -s 10.0.0.2 -d 10.0.0.1 --sport 0"
[ "$(ours -G expect $key --dport 4001 | plain)" = "$(ours -L expect 2>/dev/null | grep ' dport=4001 .*10.0.0' | plain)" ] ||
	fail "-G: $(ours -G expect $key --dport 4001)"
refused 1 "No such file" -G expect $key --dport 4009
refused 1 "No such file" -D expect $key --dport 4009
refused 1 "File exists" -I expect $master --sport 1001 $tuple --tuple-port-dst 4001 $mask -t 300
refused 1 "master conntrack not found" -I expect $master --sport 9 $tuple --tuple-port-dst 5000 $mask -t 300
refused 1 "the master has no helper" -I expect -p tcp -s 10.0.0.3 -d 10.0.0.2 --sport 1000 --dport 80 \
	$tuple --tuple-port-dst 5000 $mask -t 300
refused 2 "tuple-port-dst" -I expect $master --sport 1001 $tuple $mask -t 300
refused 2 "timeout" -I expect $master --sport 1001 $tuple --tuple-port-dst 5000 $mask
refused 2 "65536.*tuple-port-src" -I expect $master --sport 1001 --tuple-port-src 65536
refused 2 "Illegal option .--tuple-port-dst" -L -p tcp --tuple-port-dst 1
refused 2 "Can't do --update on expectations" -U expect $master --sport 1001
ours -L expect -o json 2>/dev/null | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
assert len(rows) == 3, rows
one = [r for r in rows if r["expected"].get("dport") == 4002][0]
assert one["table"] == "expect" and one["protocol"] == "tcp" and one["helper"] == "ftp", one
assert one["expected"]["src"] == "10.0.0.2" and one["mask"]["dport"] == 65535, one
assert one["master"]["sport"] == 1002 and 0 < one["timeout"] <= 300, one
assert {r["family"] for r in rows} == {"ipv4", "ipv6"}, rows
' || fail "-o json: $(ours -L expect -o json)"

ours -D expect $key --dport 4001 2>"$tmp/said" || fail "-D expect: $(cat "$tmp/said")"
grep -q '1 expectations have been deleted' "$tmp/said" || fail "-D expect says: $(cat "$tmp/said")"
[ "$(ours -C expect)" = 2 ] || fail "-D expect left $(ours -C expect)"
ours -F expect 2>"$tmp/said" || fail "-F expect: $(cat "$tmp/said")"
[ "$(ours -C expect)" = 0 ] || fail "-F expect left $(ours -C expect)"
[ "$(ours -C)" = 5 ] || fail "-F expect emptied the other table"

kill -INT "${readers[@]}"
for p in "${readers[@]}"; do
	wait "$p" || fail "a reader ended with $?"
done
for form in plain timestamp xml; do
	for f in ev evsaid; do
		diff <(plain <"$tmp/$f.theirs.$form") <(plain <"$tmp/$f.ours.$form") >"$tmp/diff" ||
			fail "-E expect, $form: $(cat "$tmp/diff")"
	done
	[ "$(grep -c 10.0.0.1 "$tmp/ev.ours.$form")" = 4 ] || fail "-E expect: $(cat "$tmp/ev.ours.$form")"
	checks=$((checks + 2))
done
echo "expectations: $checks comparisons and refusals"
