#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets for cli_packets.sh, and what a selection has to show of their flows.

  serve               echo UDP, accept TCP, answer raw protocols
  send ADDR4 ADDR6    one flow of each protocol to each port that has a rule
  select LISTING WORD ...   lines of a listing that `-g`, `-n` or `-j` has to show
"""
import os
import re
import select
import socket
import struct
import sys

FTP_PORT = 1013  # has the helper
UDP_PORTS = (1000, 1001, 1002, 1003, 1004, 1010, 1011, 1012, FTP_PORT)
RAW = (47, 50, 200)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def serve():
    socks = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in UDP_PORTS + (2001,):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                s = socket.socket(family, kind)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    s.listen(16)
                socks[s] = kind
        for proto in RAW:
            socks[socket.socket(family, socket.SOCK_RAW, proto)] = socket.SOCK_RAW
    kept = []
    print("ready", flush=True)
    while True:
        for s in select.select(list(socks), [], [])[0]:
            if socks[s] == socket.SOCK_STREAM:
                kept.append(s.accept()[0])
                continue
            data, peer = s.recvfrom(2048)
            if socks[s] == socket.SOCK_RAW and s.family == socket.AF_INET:
                data = data[20:]
            s.sendto(data, peer)


def echo(family, to):
    proto = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    s = socket.socket(family, socket.SOCK_RAW, proto)
    kind = 8 if family == socket.AF_INET else 128
    packet = struct.pack("!BBHHH", kind, 0, 0, 77, 1)
    if family == socket.AF_INET:
        packet = struct.pack("!BBHHH", kind, 0, checksum(packet), 77, 1)
    s.sendto(packet, (to, 0))


def raw(family, to, proto, data):
    socket.socket(family, socket.SOCK_RAW, proto).sendto(data, (to, 0))


def send(targets):
    kept = []
    for to in targets:
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        for i, port in enumerate(UDP_PORTS):
            # what is put into a zone on its way there comes back through none
            if port == 1010 and to.endswith("99"):
                continue
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind(("", 3000 + i))
            s.sendto(b"x", (to, port))
            s.settimeout(20)
            s.recv(16)
            t = socket.socket(family, socket.SOCK_STREAM)
            t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            t.bind(("", 4000 + i))
            t.settimeout(20)
            t.connect((to, port))
            kept.append(t)
            if port == FTP_PORT and to == "10.2.0.2":
                # An FTP session: the client will take data on port 4000. The helper reads
                # a line only once it saw the end of another.
                t.send(b"USER anonymous\r\n")
                t.send(b"PORT %s,15,160\r\n" % t.getsockname()[0].replace(".", ",").encode())
        echo(family, to)
        # an INIT of SCTP, ports 5000 and 5001
        raw(family, to, 132, struct.pack("!HHIIBBHIIHHI", 5000, 5001, 0, 0, 1, 0, 20, 9, 65536,
                                         1, 1, 1))
        raw(family, to, 47, struct.pack("!HHI", 0, 0x0800, 0))
        raw(family, to, 50, struct.pack("!IIQ", 0x1234, 1, 0))
        raw(family, to, 200, b"unknown!")
    print("sent", flush=True)
    os.read(0, 1)  # the connections stay until then


def tuples(line):
    both = re.findall(r"src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?", line)
    return both[0], both[1]


def split(word):
    if word.startswith("["):
        return tuple(re.match(r"\[(.*)\]:(\d+)", word).groups())
    if word.count(":") == 1:
        return tuple(word.split(":"))
    return word, ""


def translated(before, port_before, after, port_after, word):
    if (before, port_before) == (after, port_after):
        return False
    addr, port = split(word) if word else (after, "")
    return addr == after and (not port or port == port_after)


def selects(line, option, word):
    orig, reply = tuples(line)
    src = translated(orig[0], orig[2], reply[1], reply[3], word)
    dst = translated(orig[1], orig[3], reply[0], reply[2], word)
    return {"-n": src, "-g": dst, "-j": src or dst}[option]


def show(path, option, word):
    with open(path) as listing:
        for line in listing:
            if selects(line, option, word):
                print(line, end="")


if sys.argv[1] == "serve":
    serve()
elif sys.argv[1] == "send":
    send(sys.argv[2:])
else:
    show(sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "")
