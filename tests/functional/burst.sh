#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 200,000 flows at full kernel speed are replicated completely; after a commit the
# other kernel has them; then half is deleted and half is marked.
. "$(dirname "$0")/lib.sh"
flows=${FLOWS:-200000}
half=$((flows / 2))

two_nodes
in_ns a "$build/bench/flowgen" create "$flows" || fail "flowgen create"
await 30 external_count b "$flows" || fail "b holds $(ask b -e | wc -l) of $flows"
ask b -c || fail "commit"
[ "$(in_ns b "$conntrack" -C)" -ge "$flows" ] || fail "b's kernel: $(in_ns b "$conntrack" -C)"
await 10 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
in_ns a "$build/bench/flowgen" delete "$half" || fail "flowgen delete"
in_ns a "$build/bench/flowgen" mark "$half" --base "$half" --mark 7 || fail "flowgen mark"
await 30 external_count b "$half" || fail "b holds $(ask b -e | wc -l) of $half"
await 30 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
[ "$(grep -c mark=7 "$tmp/e")" = "$half" ] || fail "marks: $(grep -c mark=7 "$tmp/e")"
echo "$flows flows in a burst: all replicated, committed, halved and marked"
