#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -f empties caches, not kernels: the active node dies right after it, and the other one
# has all flows all the same. When it does not die, both agree again by themselves.
. "$(dirname "$0")/lib.sh"
flows=2000

two_nodes "purge_timeout = 60;"
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 10 external_count b $flows || fail "b holds $(ask b -e | wc -l)"

# it lives on: the table is read again
ask a -f internal || fail "-f"
await 10 agree || fail "they do not agree after -f"
await 10 in_sync a && await 10 in_sync b || fail "not in sync after -f"
# what went while the cache was empty is noticed
ask a -f internal || fail "-f"
in_ns a "$build/bench/flowgen" delete 10 >/dev/null || fail "flowgen delete"
await 10 external_count b $((flows - 10)) || fail "b holds $(ask b -e | wc -l)"
in_ns a "$build/bench/flowgen" create 10 >/dev/null || fail "flowgen create"
await 10 external_count b $flows || fail "b holds $(ask b -e | wc -l)"

ask a -f || fail "-f"
kill -9 $pid_a
ask b --promote >"$tmp/out" || fail "promote: $(cat "$tmp/out")"
[ "$(in_ns b "$conntrack" -C)" = $flows ] || fail "$(in_ns b "$conntrack" -C) of $flows survived: $(cat "$tmp/out")"
echo "-f, then death: $(cat "$tmp/out")"
