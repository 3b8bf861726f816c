# SPDX-License-Identifier: GPL-2.0-or-later
# Real corosync clusters on one machine, one corosync in each of some namespaces. For
# scenarios: source it after lib.sh. Programs reach the corosync of the network namespace
# that they run in, because its sockets are abstract ones.
#   corosync_cluster NS ADDRESS [NS ADDRESS ...]
#     COROSYNC_TRANSPORT knet (default) or udpu, COROSYNC_CRYPTO on: knet with aes256
#   corosync_start NS, corosync_signal NS SIGNAL, corosync_kill NS [SIGNAL], corosync_rss NS
#   corosync_members NS, corosync_sees NS N
corosync_token=${COROSYNC_TOKEN:-1000}
declare -A corosync_pid   # of the one that runs, by namespace
corosync_pids=()
corosync_arch=$(basename "$(dirname "$(ls "$build"/rivals/usr/lib/*/libcpg.so.4 2>/dev/null)")")
corosync_libs=$build/rivals/usr/lib/$corosync_arch:$build/rivals/lib/$corosync_arch
corosync_bin=$build/rivals/usr/sbin
[ -x "$corosync_bin/corosync" ] || corosync_bin=$(dirname "$(type -P corosync)")
[ -x "$corosync_bin/corosync" ] || skip "no corosync: run ./quickstart check"

# What sees corosync's own files: its libraries and the plugins that its network
# library loads from a fixed place, and a /run of its own, where it locks a file.
corosync_inside='
	[ -z "$0" ] || mount -t overlay overlay -o "lowerdir=$1:/usr/lib/$0" "/usr/lib/$0" || exit 1
	shift
	mount -t tmpfs tmpfs /run || exit 1
	exec "$@"'

corosync_config()
{
	local dir=$1 i=0
	shift
	cat <<-CONF
	totem {
	  version: 2
	  cluster_name: $prefix
	  transport: ${COROSYNC_TRANSPORT:-knet}
	  token: $corosync_token
	  token_coefficient: 0
	  $([ "${COROSYNC_CRYPTO:-off}" = off ] || printf '%s\n' "crypto_cipher: aes256" "crypto_hash: sha256" "keyfile: $tmp/authkey")
	}
	system {
	  sched_rr: no
	  move_to_root_cgroup: no
	  state_dir: $dir
	}
	logging {
	  to_stderr: no
	  to_syslog: no
	  to_logfile: yes
	  logfile: $dir.log
	  timestamp: hires
	}
	nodelist {
	CONF
	for ((; $#; i++)); do
		printf '  node {\n    nodeid: %s\n    name: %s\n    ring0_addr: %s\n  }\n' $((i + 1)) "$1" "$2"
		shift 2
	done
	echo '}'
}

corosync_start()
{
	local ns=$1
	ip netns exec "$prefix-$ns" unshare -m sh -c "$corosync_inside" "$corosync_arch" \
		"$corosync_libs" "$corosync_bin/corosync" -f -c "$tmp/corosync-$ns.conf" >>"$tmp/corosync-$ns.log" 2>&1 &
	corosync_pid[$ns]=$!
	corosync_pids+=($!)
	pids+=($!)
}

corosync_signal()
{
	kill -s "$2" "${corosync_pid[$1]}"
}

# Ends it and waits until it is gone.
corosync_kill()
{
	corosync_signal "$1" "${2:-KILL}"
	wait "${corosync_pid[$1]}" 2>/dev/null
}

corosync_rss()    # in KiB
{
	awk '/^VmRSS/ { print $2 }' "/proc/${corosync_pid[$1]}/status"
}

corosync_members()
{
	LD_LIBRARY_PATH=$corosync_libs ip netns exec "$prefix-$1" "$corosync_bin/corosync-cmapctl" \
		runtime.members. 2>/dev/null | grep -c 'status (str) = joined$'
}

corosync_sees()
{
	[ "$(corosync_members "$1")" = "$2" ]
}

# What a killed one leaves in /dev/shm carries its pid.
corosync_swept()
{
	local p
	for p in "${corosync_pids[@]}"; do
		rm -rf /dev/shm/qb-"$p"-* /dev/shm/qb-corosync-"$p"-*
	done
}
at_cleanup+=(corosync_swept)

corosync_cluster()
{
	local all=("$@") n=$(($# / 2)) ns i
	[ "${COROSYNC_CRYPTO:-off}" = off ] || (umask 077 && head -c 256 /dev/urandom >"$tmp/authkey")
	for ((; $#;)); do
		mkdir -p "$tmp/corosync-$1"
		corosync_config "$tmp/corosync-$1" "${all[@]}" >"$tmp/corosync-$1.conf"
		corosync_start "$1"
		shift 2
	done
	for ((i = 0; i < n; i++)); do
		ns=${all[i * 2]}
		await 30 corosync_sees "$ns" "$n" || fail "corosync on $ns sees $(corosync_members "$ns") of $n"
	done
}
