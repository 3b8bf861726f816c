#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each sample of conf/ is started on two nodes that have the devices and addresses it
# names: the nodes get in sync, all links are up, a flow arrives; nothing is complained of.
. "$(dirname "$0")/lib.sh"
. "$src/tests/lab/corosync.sh"

# sample FILE NUMBER: as the operator would change it for node fw1 or fw2, with its files
# in $tmp
sample()
{
	local cfg=$tmp/fw$2.cfg
	sed "s,/run/conntrackd,$tmp/fw$2,; s,/var/log/,$tmp/fw$2-,; s,/etc/xtables/,$tmp/,
		s/target = \"syslog\"/target = \"stderr\"/; s/, \"fw3[a-z.]*\" )/ )/" "$1" >"$tmp/sample"
	if [ "$2" = 2 ]; then
		sed -i 's/address = "\([0-9.]*\)\.1"/address = "\1.0"/; s/peers = ( "\([0-9.]*\)\.2" )/peers = ( "\1.1" )/
			s/address = "\([0-9.]*\)\.0"/address = "\1.2"/; s/^node = "fw1"/node = "fw2"/' "$tmp/sample"
	fi
	grep -q '^node = ' "$tmp/sample" || echo "node = \"fw$2\";" >"$cfg"
	grep -q '^lock = ' "$tmp/sample" || echo "lock = \"$tmp/fw$2.lock\";" >>"$cfg"
	grep -q '^control = ' "$tmp/sample" || echo "control = { socket = \"$tmp/fw$2.sock\"; };" >>"$cfg"
	cat "$tmp/sample" >>"$cfg"
}

arrived()
{
	if grep -q 'external_cache = false' "$tmp/fw2.cfg"; then
		in_ns fw2 "$conntrack" -L 2>/dev/null
	else
		ask fw2 -e
	fi | grep -q 'src=10.20.0.1 dst=10.30.0.2 sport=4000 dport=80 '
}

links_up()
{
	ask "$1" -s link | grep -c 'status=RUNNING' | grep -qx "$2"
}

all_in_sync()
{
	ask "$1" --status
}

# PID: -k returns before the daemon has ended
ended()
{
	! kill -0 "$1" 2>/dev/null
}

ns fw1 fw2
for dev in eth2 eth3 eth4; do
	link fw1 $dev fw2 $dev || fail "link"
done
for i in 1 2; do
	ip -n "$prefix-fw$i" addr add 10.99.0.$i/24 dev eth2
	ip -n "$prefix-fw$i" addr add 10.99.1.$i/24 dev eth3
	ip -n "$prefix-fw$i" addr add 10.99.2.$i/24 dev eth4
done
printf '0 bit0\n' >"$tmp/connlabel.conf"
corosync_cluster fw1 10.99.0.1 fw2 10.99.0.2
tried=0
for file in "$src"/conf/*.cfg; do
	name=$(basename "$file" .cfg)
	for i in 1 2; do
		rm -f "$tmp/fw$i.cfg" "$tmp/fw$i.log"
		sample "$file" $i
		daemon fw$i fw$i
		eval "daemon_$i=\$daemon_pid"
	done
	for i in 1 2; do
		await 20 all_in_sync fw$i || fail "$name: fw$i: $(cat "$tmp/await")"
	done
	if grep -q '^sync = ' "$file"; then
		want=$(grep -c 'plugin = "\(cpg\|udp\|tcp\|multicast\)"' "$file")
		await 10 links_up fw1 "$want" || fail "$name: not $want links: $(ask fw1 -s link)"
		in_ns fw1 "$conntrack" -I -p tcp -s 10.20.0.1 -d 10.30.0.2 --sport 4000 --dport 80 \
			--state ESTABLISHED -t 600 >/dev/null 2>&1 || fail "$name: conntrack -I"
		await 10 arrived || fail "$name: the flow did not arrive"
	fi
	for i in 1 2; do
		# the first node connects before there is a second one
		grep -E ' (warn|err): ' "$tmp/fw$i.log" | grep -v 'cannot connect: .*; it is tried again' &&
			fail "$name: fw$i complains"
	done
	for i in 1 2; do
		ask fw$i -k || fail "$name: -k"
	done
	for i in 1 2; do
		pid=daemon_$i
		await 10 ended "${!pid}" || fail "$name: fw$i does not end"
		in_ns fw$i "$conntrack" -F 2>/dev/null
	done
	tried=$((tried + 1))
done
[ $tried -ge 8 ] || fail "only $tried samples were tried"
echo "$tried samples started on two nodes"
