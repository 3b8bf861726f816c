# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced, with $build and $src: $ours, and $oracle, the established conntrack: $ORACLE, the
# installed one, one that quickstart unpacked, or the distribution's package, unpacked into
# $tmp. Also $ns, a name for a namespace, and what removes both in the end.
# shellcheck shell=bash disable=SC2034
export LC_ALL=C TZ=UTC
ours=$build/.libs/conntrack   # not libtool's wrapper: that is a slow script
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export CTS_PLUGIN_PATH=${CTS_PLUGIN_PATH:-$build/.libs}
tmp=$(mktemp -d)
ns=cts-co-$$

skip() { echo "SKIP: $*"; exit 77; }

clean_up() {
	local name

	for name in "$ns" ${other_ns:-}; do
		ip netns del "$name" 2>/dev/null
	done
	rm -rf "$tmp"
}

is_the_other() { "$1" -V 2>/dev/null | grep -q 'v1\.[0-9.]* (conntrack-tools)'; }

find_oracle() {
	for oracle in ${ORACLE:-} /usr/sbin/conntrack /sbin/conntrack \
		      "$build/rivals/usr/sbin/conntrack"; do
		is_the_other "$oracle" && return
	done
	mkdir "$tmp/oracle" &&
	(cd "$tmp/oracle" && apt-get download conntrack && dpkg -x conntrack_*.deb .) \
		>"$tmp/fetch" 2>&1 &&
	oracle=$tmp/oracle/usr/sbin/conntrack && is_the_other "$oracle"
}

trap clean_up EXIT
trap 'exit 1' INT TERM
[ "$(id -u)" = 0 ] || skip "not root"
[ -x "$ours" ] || skip "no $ours"
command -v ip >/dev/null || skip "no ip(8)"
find_oracle || skip "no other conntrack to compare with"
