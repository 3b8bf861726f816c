#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack and connection labels, in a namespace whose ruleset uses labels: the
# kernel keeps none otherwise.
set -u
build=${CTS_BUILD:-$PWD}
export LC_ALL=C LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export CTS_PLUGIN_PATH=${CTS_PLUGIN_PATH:-$build/.libs}
ns=cts-lb-$$
tmp=$(mktemp -d)
failed=0

skip() { echo "SKIP: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "not root"
command -v nft >/dev/null || skip "no nft(8)"
trap 'ip netns del "$ns" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
ip netns add "$ns" 2>/dev/null || skip "no network namespaces"
printf '%s\n' '0 zero' '1 bad-flow' '5 eth0-in' '127 last' >"$tmp/labels"
ip netns exec "$ns" nft -f - <<'END' || skip "no nftables in this kernel"
table ip t {
	chain c {
		type filter hook prerouting priority 0;
		ct label set 3
	}
}
END

# what is expected (status, then the sources and labels of the lines), words...
expect() {
	local want=$1 got
	shift
	ip netns exec "$ns" "$build/.libs/conntrack" "$@" >"$tmp/out" 2>"$tmp/err"
	got="$? $(sed -E 's/.*  *src=([0-9.]*) .* src=[^l]*(labels=([^ ]*))?$/\1 \3/' "$tmp/out" |
		sed -E 's/^.* src=(1[0-9.]*) dst=2.*$/\1 /' | sort | tr '\n' ';')"
	[ "$got" = "$want" ] && return
	echo "FAIL: conntrack $*"
	echo "  wanted '$want', got '$got'"
	cat "$tmp/out" "$tmp/err"
	failed=$((failed + 1))
}

map="-M $tmp/labels"
for last in 1 2; do
	expect "0 " -I -p udp -s 1.1.1.$last -d 2.2.2.2 --sport 1 --dport 2 -t 1000
done
# shellcheck disable=SC2086
{
	expect "0 1.1.1.1 zero,eth0-in;" -U $map -s 1.1.1.1 --label-add zero,eth0-in -o labels
	expect "0 1.1.1.2 bad-flow,last;" -U $map -s 1.1.1.2 --label-add bad-flow,last -o labels
	expect "0 1.1.1.1 zero,eth0-in;" -U $map -s 1.1.1.1 --label-add zero -o labels
	expect "0 1.1.1.1 zero,eth0-in;1.1.1.2 bad-flow,last;" -L $map -o labels
	expect "0 1.1.1.1 zero,eth0-in;" -L $map -o labels -l eth0-in
	expect "0 1.1.1.1 zero,eth0-in;" -L $map -o labels -l zero -l eth0-in
	expect "0 " -L $map -o labels -l zero,last
	expect "0 1.1.1.1 eth0-in;" -U $map -s 1.1.1.1 --label-del zero -o labels
	expect "0 1.1.1.2 ;" -U $map -s 1.1.1.2 --label-del -o labels
	expect "0 1.1.1.1 eth0-in;" -D $map -l eth0-in -o labels
	expect "0 1.1.1.2 ;" -L $map -o labels
	expect "2 " -L $map -l nothing
	expect "1 " -D $map -l zero
}
[ "$failed" = 0 ]
