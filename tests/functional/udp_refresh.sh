#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel sends no event when packets only push a UDP flow's timeout. Such a flow,
# older than its timeout, must still be alive in the other kernel after a promote; one
# that went silent must have left the copy.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is needed"
stream=4      # seconds, of a's UDP flows

holds()
{
	ask b -e | grep -q "dport=$1 .*ASSURED"
}

# The kernel's collector may take a minute to notice what ran out; a dump notices at once.
lacks()
{
	in_ns a "$conntrack" -L >/dev/null 2>&1
	! ask b -e | grep -q "dport=$1 "
}

two_nodes
ns c
link a out0 c out0 || fail "link"
ip -n "$prefix-a" addr add 192.0.2.1/30 dev out0
ip -n "$prefix-c" addr add 192.0.2.2/30 dev out0
in_ns a nft -f - <<-NFT || fail "nft"
table ip t {
  chain out { type filter hook output priority 0; oifname "out0" ct state new accept; }
}
NFT
in_ns a sysctl -q -w net.netfilter.nf_conntrack_udp_timeout_stream=$stream \
	net.netfilter.nf_conntrack_udp_timeout=$stream || fail "sysctl"
cat >"$tmp/udp.py" <<'PY'
import socket, sys, time
if sys.argv[1] == "echo":
    import selectors
    sel = selectors.DefaultSelector()
    for port in (5001, 5002):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("192.0.2.2", port))
        sel.register(s, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in sel.select():
            data, who = key.fileobj.recvfrom(2000)
            key.fileobj.sendto(data, who)
# both ports for three seconds, which makes them assured; then 5001 alone
start = time.monotonic()
socks = {}
for port in (5001, 5002):
    socks[port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    socks[port].connect(("192.0.2.2", port))
while True:
    for port, s in socks.items():
        if port == 5001 or time.monotonic() - start < 3:
            s.send(b"x")
    time.sleep(0.2)
PY
ip netns exec "$prefix-c" python3 "$tmp/udp.py" echo >"$tmp/echo" &
pids+=($!)
await 5 grep -q ready "$tmp/echo" || fail "no echo"
ip netns exec "$prefix-a" python3 "$tmp/udp.py" send &
pids+=($!)
await 10 holds 5001 && await 5 holds 5002 || fail "the flows did not come: $(ask b -e)"
await 15 lacks 5002 || fail "the silent flow is still there: $(ask b -e)"
holds 5001 || fail "the flow that lives is gone: $(ask b -e)"
ask b --promote >/dev/null || fail "--promote"
in_ns b "$conntrack" -L -p udp --dport 5001 2>/dev/null >"$tmp/in_b"
grep -q ASSURED "$tmp/in_b" || fail "not in b's kernel: $(cat "$tmp/in_b")"
[ "$(awk '{ print $3 }' "$tmp/in_b")" -gt $stream ] || fail "about to run out: $(cat "$tmp/in_b")"
in_ns b "$conntrack" -L -p udp --dport 5002 2>/dev/null | grep . && fail "the dead flow is in b's kernel"
echo "a UDP flow refreshed by packets alone outlived the promote, the silent one did not"
