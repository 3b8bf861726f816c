#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mistake in the configuration while the daemons run well: every command to them works
# as before, and opens no plugin; --check-config and the next start say what is wrong.
. "$(dirname "$0")/lib.sh"

two_nodes
for n in a b; do await 20 in_sync $n || fail "$n is not in sync"; done
await 10 ask a --eligible || fail "a is not eligible: $(ask a --eligible 2>&1)"
in_ns a "$build/bench/flowgen" create 20 >/dev/null || fail "flowgen"
await 10 external_count b 20 || fail "b has $(ask b -e | wc -l) flows"

for mistake in 'sync = { mode = ;' 'filters = ( { plugin = "nonexistent"; } );' 'no_such_key = 1;' '}}}' 'x = "not closed'; do
	for n in a b; do
		cp "$tmp/$n.cfg" "$tmp/good.$n"
		printf '%s\n' "$mistake" | cat - "$tmp/good.$n" >"$tmp/$n.cfg"
		ask $n --check-config >"$tmp/out" 2>&1 && fail "--check-config takes: $mistake"
		[ -s "$tmp/out" ] || fail "--check-config says nothing of: $mistake"
		for command in --eligible --status "--status --json" -s "-s cache" -i -e; do
			# shellcheck disable=SC2086
			ask $n $command >"$tmp/out" 2>&1 || fail "$command with $mistake: $(cat "$tmp/out")"
		done
		[ "$(ask b -e | wc -l)" = 20 ] || fail "-e with $mistake"
		mv "$tmp/good.$n" "$tmp/$n.cfg"
	done
done

LD_DEBUG=files ask a --status >/dev/null 2>"$tmp/opened" || fail "--status under the loader's eyes"
grep -q "libctsync\|conntrackd" "$tmp/opened" || skip "the loader does not say what it opens"
grep -o "file=[^ ]*\(udp\|stats\|log\)\.so" "$tmp/opened" && fail "a query opens plugins"

# The path can be named, and then no file is needed.
path=$(sed -n 's/.*socket = "\(.*\)";.*/\1/p' "$tmp/a.cfg" | head -n 1)
[ -S "$path" ] || fail "no socket in $tmp/a.cfg"
in_ns a "$conntrackd" -C /nonexistent --socket "$path" --status >/dev/null || fail "--socket"
CONNTRACKD_SOCKET=$path in_ns a "$conntrackd" -C /nonexistent --status >/dev/null || fail "CONNTRACKD_SOCKET"
in_ns a "$conntrackd" -C /nonexistent --status >"$tmp/out" 2>&1 && fail "--status without a file"
grep -q "/nonexistent: No such file" "$tmp/out" || fail "the file is not named: $(cat "$tmp/out")"

# What says how a command is meant never starts a daemon.
for alone in -x --json "--timeout 3" "--socket $path" "-d -s" "-s cache --json" "-i --timeout 3"; do
	# shellcheck disable=SC2086
	timeout 10 ip netns exec "$prefix-a" "$conntrackd" -C "$tmp/a.cfg" $alone >"$tmp/out" 2>&1
	[ $? = 1 ] && grep -q "goes with" "$tmp/out" || fail "$alone: $(cat "$tmp/out")"
done
echo "broken configuration: 5 mistakes, 2 nodes, 7 commands each"
