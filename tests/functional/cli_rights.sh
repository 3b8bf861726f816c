#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What conntrack says without rights, in the wrong namespace, without the kernel's part,
# without events: the texts that scripts know, and where it may come from.
. "$(dirname "$0")/lib.sh"
command -v setpriv >/dev/null || skip "setpriv is needed"
ns a
ct() { in_ns a "$conntrack" "$@"; }
ct -I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2 -t 1000 2>"$tmp/err.log" || fail "no entry"
chmod 755 "$tmp"

# A user who may read what was built, wherever that is.
unprivileged="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all"
$unprivileged test -x "$conntrack" -a -r "$CTS_PLUGIN_PATH/log.so" || {
	mkdir "$tmp/bin" && cp -L "$build"/.libs/*.so* "$conntrack" "$tmp/bin/" &&
		chmod -R a+rX "$tmp/bin" || fail "cannot copy the program"
	conntrack=$tmp/bin/conntrack
	export CTS_PLUGIN_PATH=$tmp/bin LD_LIBRARY_PATH=$tmp/bin
}

# says STATUS TEXT COMMAND...: on standard error; TEXT's lines, each one exactly once
says()
{
	local want=$1 text=$2 status line
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err.log"
	status=$?
	[ "$status" = "$want" ] || fail "$*: status $status, not $want"
	while IFS= read -r line; do
		[ -z "$line" ] || [ "$(grep -cF -- "$line" "$tmp/err.log")" = 1 ] || fail "$*: not said once: $line"
	done <<<"$text"
	grep -v '^kernel events: receive buffer' "$tmp/err.log" >"$tmp/more" || return 0
	[ -z "$text" ] || grep -vF -- "$text" "$tmp/more" >"$tmp/more.2" || return 0
	fail "$*: says more"
}

refused="Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this"
entry="-s 1.1.1.1 -d 2.2.2.2 -p udp --sport 1 --dport 2"
commands=("-L:dump" "-L dying:dump" "-G $entry:get" "-D -s 1.1.1.1:delete" "-I -t 9 $entry:create"
	"-A -t 9 $entry:add" "-U -s 1.1.1.1 -m 1:update" "-F:flush" "-F -f ipv4:flush")

# every COMMAND...: each command says that it was refused, and HINT
every()
{
	local hint=$1 c name
	shift
	for c in "${commands[@]}"; do
		name=${c##*:}
		# shellcheck disable=SC2086
		says 1 "$refused
--$name $hint" "$@" "$conntrack" ${c%:*}
	done
	says 1 "Can't open netlink socket: Operation not permitted
--event $hint" "$@" "$conntrack" -E
}

every "needs CAP_NET_ADMIN, which user 65534 does not have" in_ns a $unprivileged
every "needs CAP_NET_ADMIN, which this root does not have" \
	in_ns a setpriv --bounding-set=-net_admin --inh-caps=-net_admin
if unshare -Ur true 2>/dev/null; then
	every "needs CAP_NET_ADMIN where this network namespace belongs to" in_ns a unshare -Ur
	# with a network namespace of its own it may
	says 0 "0 flow entries have been shown." unshare -Urn "$conntrack" -L
else
	echo "no user namespaces here"
fi
[ "$(ct -C)" = 1 ] || fail "the table has changed"

# -C and -S do not need rights
says 0 "" in_ns a $unprivileged "$conntrack" -C
[ "$(cat "$tmp/out")" = 1 ] || fail "-C: $(cat "$tmp/out")"
says 0 "" in_ns a $unprivileged "$conntrack" -S

# a file of many lines: the reason once
for i in {1..300}; do echo "-A -t 9 $entry -m $i"; done >"$tmp/lines"
in_ns a $unprivileged "$conntrack" -R - --keep-going <"$tmp/lines" 2>"$tmp/err.log"
[ $? = 1 ] && [ "$(grep -c "standard input:[0-9]*: $refused" "$tmp/err.log")" = 300 ] ||
	fail "-R does not say which lines were refused"
[ "$(grep -c 'which user 65534 does not have' "$tmp/err.log")" = 1 ] || fail "-R does not say why, once"

# -- a kernel without it --
preload()
{
	NO_CTNETLINK=$1 LD_PRELOAD=$build/tests/functional/.libs/no_ctnetlink.so \
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 in_ns a "${@:2}"
}
says 1 "Operation failed: invalid parameters
this kernel has no nf_conntrack_netlink, or may not load it: try \`modprobe nf_conntrack_netlink'" \
	preload module "$conntrack" -L
says 1 "Operation failed: Protocol not supported
this kernel has no nfnetlink, or may not load it: try \`modprobe nfnetlink'" \
	preload protocol "$conntrack" -L
says 1 "Operation failed: Protocol not supported
this kernel has no nfnetlink" preload protocol "$conntrack" -E
# the same error, where the kernel has all it needs
says 1 "Operation failed: invalid parameters" in_ns a "$conntrack" -I -t 9 -s 1.1.1.1 -d 2.2.2.2 \
	-p icmp --icmp-type 77 --icmp-code 0

# -- events that are turned off --
# watch COMMAND...: until it listens, then the end
watch()
{
	in_ns a "$@" >"$tmp/out" 2>"$tmp/err.log" &
	local pid=$!
	pids+=($pid)
	await 10 listens || fail "-E does not listen"
	ip netns pids "$prefix-a" | xargs -r kill -TERM
	wait "$pid" || fail "-E ends with a failure"
}
listens() { in_ns a awk '$2 == 12 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink; }
sysctl=/proc/sys/net/netfilter/nf_conntrack_events
in_ns a sh -c "echo 0 >$sysctl" || fail "no $sysctl"
watch "$conntrack" -E
[ "$(grep -c 'no events will come: net.netfilter.nf_conntrack_events is 0' "$tmp/err.log")" = 1 ] ||
	fail "-E does not say that there are no events"
in_ns a sh -c "echo 1 >$sysctl"
watch "$conntrack" -E
grep -q 'no events will come' "$tmp/err.log" && fail "-E says that there are no events"
echo "$((4 * ${#commands[@]})) refusals explained"
