# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scenarios: namespaces that go away again, waiting for conditions,
# daemons. A scenario sources this and uses $build, $tmp, ns(), in_ns(), await().
set -u
export LC_ALL=C
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
export CTS_PLUGIN_PATH=${CTS_PLUGIN_PATH:-$build/.libs}
# The programs themselves: libtool's wrappers take 60 ms to start.
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
conntrack=$build/.libs/conntrack
conntrackd=$build/.libs/conntrackd
prefix=cts$$
tmp=$(mktemp -d "${TMPDIR:-/tmp}/$prefix.XXXXXX")
pids=() spaces=() at_cleanup=()

skip()
{
	echo "skipped: $*"
	exit 77
}

fail()
{
	echo "FAILED: $*"
	local f
	for f in "$tmp"/*.log; do
		[ -s "$f" ] && { echo "--- $(basename "$f")"; tail -n 40 "$f"; }
	done
	exit 1
}

cleanup()
{
	local status=$? p n
	trap - EXIT
	for p in "${pids[@]}"; do
		kill -9 "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	for p in "${at_cleanup[@]}"; do $p; done
	for n in "${spaces[@]}"; do
		ip netns pids "$n" 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del "$n" 2>/dev/null
	done
	rm -rf "$tmp"
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip >/dev/null && command -v nft >/dev/null || skip "ip and nft are needed"

# ns NAME...: make namespaces; their real names are $prefix-NAME.
ns()
{
	local n
	for n in "$@"; do
		ip netns add "$prefix-$n" || skip "cannot make a network namespace"
		spaces+=("$prefix-$n")
		ip -n "$prefix-$n" link set lo up
	done
}

in_ns()
{
	local n=$1
	shift
	ip netns exec "$prefix-$n" "$@"
}

# link NS DEV NS DEV: a cable between two namespaces
link()
{
	ip link add "$2" netns "$prefix-$1" type veth peer name "$4" netns "$prefix-$3" &&
	ip -n "$prefix-$1" link set "$2" up &&
	ip -n "$prefix-$3" link set "$4" up
}

# await SECONDS COMMAND...: until it succeeds; its last output is in $tmp/await
await()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >"$tmp/await" 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.02 <> <(:) || :
	done
}

# daemon NAME NS [ARGS]: start conntrackd with $tmp/NAME.cfg; its pid is in $daemon_pid
daemon()
{
	local name=$1 space=$2
	shift 2
	# ip execs the daemon, so that the pid is the daemon's
	ip netns exec "$prefix-$space" "$conntrackd" -C "$tmp/$name.cfg" "$@" >>"$tmp/$name.log" 2>&1 &
	daemon_pid=$!
	pids+=($daemon_pid)
	await 10 ask "$name" -s || fail "conntrackd $name did not start"
}

# ask NAME ARGS: the client side; a control socket is a path, any namespace will do
ask()
{
	local name=$1
	shift
	"$conntrackd" -C "$tmp/$name.cfg" "$@"
}

sync_transport=${CTS_TRANSPORT:-udp} # or tcp: their options are alike; multicast, cpg
[ "$sync_transport" != cpg ] || . "$src/tests/lab/corosync.sh"

# config NAME ADDRESS PEER DEVICE [SYNC LINES]: two nodes over $sync_transport
config()
{
	local block="plugin = \"$sync_transport\"; address = \"$2\"; port = 3780; peers = ( \"$3\" ); interface = \"$4\";"
	[ "$sync_transport" != multicast ] ||
		block="plugin = \"multicast\"; group = \"225.0.0.50\"; interface = \"$4\";"
	[ "$sync_transport" != cpg ] || block='plugin = "cpg"; group = "firewalls";'
	cat >"$tmp/$1.cfg" <<-CFG
	node = "$1";
	lock = "$tmp/$1.lock";
	control = { socket = "$tmp/$1.sock"; };
	log = { target = "stderr"; level = "info"; };
	sync = {
	  ${5:-}
	  transports = ( { $block } );
	};
	CFG
}

# two_nodes [SYNC LINES]: namespaces a and b with a cable, daemons on both
two_nodes()
{
	ns a b
	link a sync0 b sync0
	ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
	ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
	[ "$sync_transport" != cpg ] || corosync_cluster a 10.9.0.1 b 10.9.0.2
	config a 10.9.0.1 10.9.0.2 sync0 "${1:-}"
	config b 10.9.0.2 10.9.0.1 sync0 "${1:-}"
	daemon a a
	pid_a=$daemon_pid
	daemon b b
	pid_b=$daemon_pid
	await 20 in_sync a && await 20 in_sync b || fail "the nodes did not get in sync"
}

# wire NAME...: namespaces on one wire; the n-th one's sync0 has 10.9.0.n
wire()
{
	local i
	ns sw "$@"
	wired=("$@")
	ip -n "$prefix-sw" link add br0 type bridge forward_delay 0 || skip "no bridge device"
	ip -n "$prefix-sw" link set br0 up
	for i in $(seq $#); do
		link "${!i}" sync0 sw "p$i" && ip -n "$prefix-sw" link set "p$i" master br0 &&
			ip -n "$prefix-${!i}" addr add "10.9.0.$i/24" dev sync0 || fail "link"
	done
	[ "$sync_transport" != cpg ] ||
		corosync_cluster $(for i in $(seq $#); do echo "${!i} 10.9.0.$i"; done)
}

# wire_config NODE NS [SYNC LINES]: a node of this name in one of these; its files are $tmp/NS.*
wire_config()
{
	local i peers= own
	for i in "${!wired[@]}"; do
		if [ "${wired[i]}" = "$2" ]; then
			own=10.9.0.$((i + 1))
		else
			peers="$peers${peers:+\", \"}10.9.0.$((i + 1))"
		fi
	done
	config "$2" "$own" "$peers" sync0 "${3:-}"
	sed -i "s/^node = .*/node = \"$1\";/" "$tmp/$2.cfg"
}

# All peers in sync, whatever the links that stand by are doing.
in_sync()
{
	local text
	text=$(ask "$1" --status) && return
	[ $? = 1 ] && ! grep '^peer ' <<<"$text" | grep -qv ', in sync' && ! grep -q 'never received from' <<<"$text"
}

# Flow lines without what differs by nature: timeouts, ages, use counts.
normal()
{
	sed -E 's/^((ipv[46] +[0-9]+ )?[a-z0-9]+ +[0-9]+) [0-9]+ /\1 /; s/ \[active since [0-9]+s\]//; s/ use=[0-9]+//; s/ +$//' | sort
}

kernel_flows()
{
	in_ns "$1" "$conntrack" -L 2>/dev/null | normal
}

internal_flows()
{
	ask "$1" -i | normal
}

external_flows()
{
	ask "$1" -e | normal
}

# What a's kernel holds, a's cache and b's copy of it: all the same?
agree()
{
	kernel_flows a >"$tmp/k" && internal_flows a >"$tmp/i" && external_flows b >"$tmp/e" &&
	cmp "$tmp/k" "$tmp/i" && cmp "$tmp/i" "$tmp/e"
}

external_count()
{
	[ "$(ask "$1" -e | wc -l)" = "$2" ]
}
