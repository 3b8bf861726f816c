#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever comes to the sync port, from strangers and under the peer's own address and
# port: random bytes, real messages cut and changed, datagrams as large as they get; and
# the control socket. It is counted, the daemon lives, does not grow, and forgets nothing.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is needed"
flows=2000

memory_kb()
{
	awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

counter()
{
	ask b -s network | awk -v what="$1:" 'index($0, what) { print $NF; exit }'
}

two_nodes
in_ns a "$build/bench/flowgen" create $flows >/dev/null || fail "flowgen"
await 10 external_count b $flows || fail "b holds $(ask b -e | wc -l) of $flows"
await 5 agree || fail "tables differ before: $(diff "$tmp/i" "$tmp/e" | head -3)"

cat >"$tmp/junk.py" <<'PY'
import random, socket, struct, sys
rounds, seed = int(sys.argv[1]), int(sys.argv[2])
rnd = random.Random(seed)
port = 3780

# Real messages to mutate: what the daemon beside us sends anyway.
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(("sync0", 0))
tap.settimeout(5)
real = []
while len(real) < 3:
    frame = tap.recv(65536)
    if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == struct.pack("!H", port):
        real.append(frame[42:])
tap.close()

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.bind(("10.9.0.1", 0))
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stranger.bind(("10.9.0.1", 0))

def send(data, as_peer):
    # checksum 0: none
    head = struct.pack("!HHHH", port, port, 8 + len(data), 0)
    try:
        if as_peer:
            raw.sendto(head + data, ("10.9.0.2", port))
        else:
            stranger.sendto(data, ("10.9.0.2", port))
    except OSError as e:
        sys.exit("sending %d bytes: %s" % (len(data), e))

def mutated():
    m = bytearray(rnd.choice(real))
    for _ in range(rnd.randint(1, 4)):
        m[rnd.randrange(len(m))] ^= 1 << rnd.randrange(8)
    return bytes(m)

for i in range(rounds):
    m = rnd.choice(real)
    send(rnd.randbytes(rnd.randint(0, 1400)), True)
    send(m[:rnd.randrange(len(m))], True)
    send(m + rnd.randbytes(rnd.randint(1, 64)), True)
    send(mutated(), True)
    send(m[:8] + rnd.randbytes(rnd.randint(0, 1200)), True)
    send(rnd.randbytes(rnd.randint(0, 1400)), False)
    if i % 100 == 0:
        send(rnd.randbytes(65507), True)
        send(bytes(65507), True)
PY
in_ns a python3 "$tmp/junk.py" 1000 1 || fail "cannot send"    # what is grown once, is grown now
before=$(memory_kb "$pid_b")
in_ns a python3 "$tmp/junk.py" 4000 2 || fail "cannot send"

# the control socket: more than it takes, in every shape
python3 - "$tmp/b.sock" <<'PY' || fail "garbage on the control socket"
import random, socket, sys, time
rnd = random.Random(3)
held = []

def connect(s):
    for _ in range(1000):       # a full backlog is not what is tried here
        try:
            return s.connect(sys.argv[1])
        except BlockingIOError:
            time.sleep(0.005)

for i in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    try:
        connect(s)
        s.sendall((rnd.randbytes(rnd.randint(1, 3000)), b"\n", b"\0\n", b"stats\0x\n",
                   b"a " * 100 + b"\n", b"x" * 2000)[i % 6])
        if i % 10 == 0:
            held.append(s)          # silent from now on
        else:
            s.close()
    except (BrokenPipeError, ConnectionResetError, BlockingIOError):
        s.close()
PY

kill -0 "$pid_b" 2>/dev/null || fail "b died"
malformed=$(counter "Malformed messages")
[ "${malformed:-0}" -ge 10000 ] || fail "only ${malformed:-0} malformed messages counted: $(ask b -s network)"
# Unknown, or refused because too many were open: 300 came, each counts as one.
refused()
{
	unknown=$(ask b -s runtime | awk '/local (unknown request|read failed)/ { n += $NF } END { print n }')
	[ "${unknown:-0}" -ge 150 ]
}
await 5 refused || fail "only ${unknown:-0} bad requests counted"
after=$(memory_kb "$pid_b")
[ $((after - before)) -le 2048 ] || fail "b grew from $before to $after kB"
await 10 in_sync a && await 10 in_sync b || fail "not in sync any more: $(ask b --status)"
await 10 agree || fail "tables differ: $(diff "$tmp/i" "$tmp/e" | head -3)"
in_ns a "$build/bench/flowgen" delete 1000 >/dev/null || fail "flowgen delete"
await 10 external_count b $((flows - 1000)) || fail "b holds $(ask b -e | wc -l)"
echo "$malformed malformed messages and $unknown requests refused, $before kB before, $after kB after"
