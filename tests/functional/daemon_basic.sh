#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One flow's way: a's kernel, a's internal cache, b's external cache, b's kernel after
# a commit. Then the client's side: status, a lock that is held, what is refused, the end.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || skip "python3 is needed"

flow=(-p tcp -s 192.0.2.1 -d 198.51.100.2 --sport 4000 --dport 80)

in_external()
{
	ask "$1" -e | grep -q 'src=192.0.2.1 dst=198.51.100.2 sport=4000 dport=80 '
}

not_in_external()
{
	! in_external "$1"
}

stopped()
{
	! kill -0 "$1" 2>/dev/null
}

two_nodes
in_ns a "$conntrack" -I "${flow[@]}" --state ESTABLISHED --timeout 600 --mark 5 >/dev/null 2>&1 ||
	fail "conntrack -I"
await 5 in_external b || fail "the flow did not get to b"
ask b -e | grep -q 'ESTABLISHED .*mark=5 ' || fail "state or mark was lost: $(ask b -e)"
await 5 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
[ "$(in_ns b "$conntrack" -C)" = 0 ] || fail "b's kernel has flows before the commit"

# -c returns when the kernel has them: no waiting here
ask b -c || fail "-c"
in_ns b "$conntrack" -L "${flow[@]}" 2>/dev/null | grep -q 'ESTABLISHED .*mark=5 ' ||
	fail "b's kernel: $(in_ns b "$conntrack" -L 2>&1)"

in_ns a "$conntrack" -D "${flow[@]}" >/dev/null 2>&1 || fail "conntrack -D"
await 5 not_in_external b || fail "b still has the flow that a deleted"

ask a --status --json | python3 -c 'import json, sys; json.load(sys.stdin)' || fail "no JSON"

# the lock names its holder
in_ns a timeout 10 "$conntrackd" -C "$tmp/a.cfg" >"$tmp/second" 2>&1 && fail "a second daemon started"
grep -qw "$pid_a" "$tmp/second" || fail "holder not named: $(cat "$tmp/second")"

# garbage is answered and harms nobody
python3 - "$tmp/a.sock" <<'PY' || fail "garbage on the control socket"
import socket, sys
for junk in (b"\0" * 64 + b"\n", b"x" * 4096, b"\n", b"no-such-word\n", b"stats " + b"a " * 50 + b"\n"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    try:
        s.sendall(junk)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while part := s.recv(4096):
            got += part
    except (ConnectionResetError, BrokenPipeError):
        continue
    status = got.rpartition(b"\0")[2].split(b"\n")[0]
    if status == b"0":
        sys.exit("accepted: %r" % junk[:20])
PY
in_sync a || fail "a: $(ask a --status)"

ask a -k || fail "-k"
await 5 stopped "$pid_a" || fail "-k did not stop a"
[ ! -e "$tmp/a.sock" ] || fail "the control socket was left behind"
ask a -s >/dev/null 2>&1 && fail "-s works without a daemon"
kill -TERM "$pid_b" && await 5 stopped "$pid_b" || fail "SIGTERM did not stop b"
wait "$pid_b" || fail "b ended with $?"
echo "a flow came to b's cache and, after -c, to b's kernel"
