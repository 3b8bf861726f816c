#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What -o save writes is taken by ours and by the established tool, and so is what sed(1)
# makes of it; nothing is lost on the way back, and no tag of SCTP comes back swapped.
set -u
build=${CTS_BUILD:-$PWD}
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$src/tests/functional/cli_oracle.sh"
failed=0

fail() { echo "FAIL: $*"; failed=1; }
ct() { ip netns exec "$ns" "$ours" "$@" 2>>"$tmp/err"; }
other() { ip netns exec "$ns" "$oracle" "$@" 2>>"$tmp/err"; }
saved() { ct -L -M "$tmp/labels" -o save | sed -E 's/-t [0-9]+/-t T/' | sort; }

ip netns add "$ns" 2>/dev/null || skip "no network namespaces"
printf '0 zero\n5 eth0-in\n' >"$tmp/labels"
ip netns exec "$ns" nft -f - <<'END' || skip "no nftables in this kernel"
table ip t {
	chain c {
		type filter hook prerouting priority 0;
		ct label set 3
	}
}
END
entry="-s 10.0.0.1 -d 10.0.0.2 -t 1000"
# shellcheck disable=SC2086
{
	ct -A $entry -p udp --sport 1 --dport 2 -m 5
	ct -A $entry -p udp --sport 3 --dport 4 -u SEEN_REPLY -w 7
	ct -A $entry -p udp --sport 5 --dport 6 -u SEEN_REPLY --orig-zone 8
	ct -A $entry -p tcp --sport 1 --dport 2 --state ESTABLISHED -u SEEN_REPLY,ASSURED -n 9.9.9.9:77
	ct -A $entry -p tcp --sport 3 --dport 4 --state TIME_WAIT -g 9.9.9.9
	ct -A $entry -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 9 -m 0xffffffff
	ct -A $entry -p gre --srckey 1 --dstkey 2
	ct -A $entry -p sctp --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 11 --reply-vtag 12
	ct -A $entry -p 50
	ct -A -s 2001:db8::1 -d 2001:db8::2 -t 1000 -p udp --sport 1 --dport 2 -n 2001:db8::9
	ct -U -p udp --sport 1 -M "$tmp/labels" --label-add zero,eth0-in
} >/dev/null
# not every kernel has a helper for us
# shellcheck disable=SC2086
ct -A $entry -p udp --sport 7 --dport 69 --helper tftp >/dev/null
n=$(ct -C)
[ "$n" -ge 10 ] || fail "only $n entries"
saved >"$tmp/before"
ct -L -o save >"$tmp/save"
other -L -o save >"$tmp/theirs"
grep -q ' # labels=0,5$' "$tmp/save" || fail "no labels in $(cat "$tmp/save")"

for tool in ct other; do
	ct -F
	$tool -R "$tmp/save" || fail "$tool -R of what ours saved"
	[ "$(ct -C)" = "$n" ] || fail "$tool loaded $(ct -C) of $n"
	[ $tool = other ] || saved | diff "$tmp/before" - || fail "something was lost"
	sed 's/^-A/-D/' "$tmp/save" | ct -R - >/dev/null || fail "-R of the same as -D"
	[ "$(ct -C)" = 0 ] || fail "$(ct -L) remains"
done

# theirs: marks, labels and helpers are not in it, tags have their bytes swapped
: >"$tmp/err"
ct -R "$tmp/theirs" || fail "-R of what the other tool saved"
grep -q ': 1 lines have SCTP verification tags as' "$tmp/err" || fail "tags are swapped in silence"
saved | grep -q -- '--orig-vtag 11 --reply-vtag 12 # vtags' || fail "tags: $(saved | grep sctp)"
sed 's/^-A/-I/' "$tmp/theirs" | ct -R - && fail "-I of what is there"
sed 's/^-A/-D/' "$tmp/theirs" | ct -R - >/dev/null
[ "$(ct -C)" = 0 ] || fail "$(ct -L) remains"

# without what marks a saved line, a number is the tag; a comment is passed over
# shellcheck disable=SC2086
echo "-A $entry -p sctp --sport 1 --dport 2 --state CLOSED --orig-vtag 13 --reply-vtag 14 # vtag=1" |
	ct -R -
saved | grep -q -- '--orig-vtag 13 --reply-vtag 14' || fail "tags by hand: $(saved)"
# a line written by hand selects by what it says
echo "-D -p sctp -t 5" | ct -R -
[ "$(ct -C)" = 1 ] || fail "-D -t 5 deleted what has another timeout"
[ $failed = 0 ] || cat "$tmp/err"
exit $failed
