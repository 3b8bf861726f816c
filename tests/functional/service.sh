#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What comes for the system: the unit is understood and well closed, the daemon does its
# work with the capabilities that it leaves; the settings for the kernel exist.
. "$(dirname "$0")/lib.sh"
unit=$build/conf/conntrackd.service
exposure=30     # of systemd-analyze, in tenths

command -v setpriv >/dev/null || skip "setpriv is needed"
if command -v systemd-analyze >/dev/null; then
	sed "s,^\\(Exec[A-Za-z]*\\)=.*conntrackd.*,\\1=/bin/true," "$unit" >"$tmp/conntrackd.service"
	systemd-analyze verify --man=no "$tmp/conntrackd.service" >"$tmp/verify.log" 2>&1 || fail "verify"
	grep -i -e unknown -e 'failed to parse' -e ignoring "$tmp/verify.log" && fail "the unit has errors"
	systemd-analyze security --offline=yes --threshold=$exposure "$tmp/conntrackd.service" \
		>"$tmp/security.log" 2>&1 || fail "exposed more than $exposure"
	grep -q 'Overall exposure level' "$tmp/security.log" || fail "no exposure printed"
fi

# the capabilities of the unit, nothing else
caps=-all
for c in $(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr 'A-Z' 'a-z'); do
	caps=$caps,+${c#cap_}
done
ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
config a 10.9.0.1 10.9.0.2 sync0
config b 10.9.0.2 10.9.0.1 sync0
sed -i 's/port = 3780/port = 378/' "$tmp/a.cfg" "$tmp/b.cfg"
for n in a b; do
	ip netns exec "$prefix-$n" setpriv --bounding-set $caps --inh-caps -all --no-new-privs \
		"$conntrackd" -C "$tmp/$n.cfg" >>"$tmp/$n.log" 2>&1 &
	pids+=($!)
	await 10 ask $n -s || fail "conntrackd does not start with $caps"
done
await 20 in_sync a && await 20 in_sync b || fail "not in sync with $caps"
grep -i 'warn\|err' "$tmp/a.log" && fail "something is missing with $caps"
in_ns a "$build/bench/flowgen" create 100 >/dev/null || fail "flowgen"
await 10 external_count b 100 || fail "b holds $(ask b -e | wc -l)"
ask b --promote >/dev/null || fail "promote with $caps"
[ "$(in_ns b "$conntrack" -C)" = 100 ] || fail "b's kernel holds $(in_ns b "$conntrack" -C)"

keys=0
while IFS=' =' read -r key value; do
	[[ $key == net.* ]] || continue
	in_ns a sysctl -n "$key" >"$tmp/value" 2>&1 || fail "$key: the kernel does not know it"
	keys=$((keys + 1))
	# sizes are the machine's, not a namespace's
	[[ $key == *_max || $key == *_buckets ]] ||
		in_ns a sysctl -q -w "$key=$value" || fail "$key = $value is refused"
done <"$src/conf/sysctl.d/90-ctsync.conf"
[ $keys -ge 4 ] || fail "only $keys settings found"
echo "exposure $(sed -n 's/.*level for [^:]*: //p' "$tmp/security.log" 2>/dev/null), $caps, $keys settings"
