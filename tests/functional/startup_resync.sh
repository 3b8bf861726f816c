#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sync.startup_resync = false: a node that starts is sent what changes, and does not ask
# for what the others have until conntrackd -n.
. "$(dirname "$0")/lib.sh"
ns a b
link a sync0 b sync0
ip -n "$prefix-a" addr add 10.9.0.1/30 dev sync0
ip -n "$prefix-b" addr add 10.9.0.2/30 dev sync0
config a 10.9.0.1 10.9.0.2 sync0 "startup_resync = false;"
config b 10.9.0.2 10.9.0.1 sync0

flow() # NUMBER: in b's kernel
{
	in_ns b "$conntrack" -I -t 3000 -s "10.1.0.$1" -d 192.0.2.1 -p tcp --sport 1024 --dport 80 \
		--state ESTABLISHED >/dev/null 2>"$tmp/err.log" || fail "cannot make a flow"
}
has() { ask a -e | grep -c 'src=10\.1\.0\.'; }
has_flow() { ask a -e | grep -q "src=10\.1\.0\.$1 "; }
has_all() { [ "$(has)" = "$1" ]; }
knows_b() { ask a --status | grep -q '^peer b'; }

for i in {1..20}; do flow "$i"; done
daemon b b
table_read() { [ "$(ask b -i | wc -l)" = 20 ]; }
await 10 table_read || fail "b does not read its table"
daemon a a
await 10 knows_b || fail "a does not meet b: $(ask a --status)"
# What changes arrives: each try is another change, until a is among the receivers.
n=100
arrives() { n=$((n + 1)); flow "$n"; has_flow "$((n - 1))"; }
await 20 arrives || fail "changes do not arrive: $(ask a --status)"
old=$(ask a -e | grep -cE 'src=10\.1\.0\.([1-9]|1[0-9]|20) ')
[ "$old" = 0 ] || fail "a asked for $old of what was there"
ask a -n || fail "-n"
all() { [ "$(ask a -e | grep -cE 'src=10\.1\.0\.([1-9]|1[0-9]|20) ')" = 20 ]; }
await 20 all || fail "-n did not bring the rest: $(ask a --status)"
echo "asked for nothing at the start, and for all with -n"
