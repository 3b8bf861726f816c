#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians and ratios of bench/replication.sh's and lives.sh's results; --json for machines.

A line of results is: transport, who (ours, rival, before, none), figure, value."""
import json
import statistics
import sys

# Ours against the established daemon's, as a ratio.
TARGETS = {
    "paced_cpu_sender_us": 0.4, "paced_cpu_receiver_us": 0.4,
    "ticks_cpu_sender_us": 0.4, "ticks_cpu_receiver_us": 0.4,
    "burst_cpu_sender_us": 0.35, "burst_cpu_receiver_us": 0.2,
    "paced_wire_bytes": 0.6, "rss_owner_bytes": 0.3, "rss_replica_bytes": 0.3,
    "commit_s": 0.4, "bulk_s": 0.6, "bulk_cpu_sender_us": 0.6, "bulk_cpu_receiver_us": 0.6,
    "lag_p50_us": 1.0, "lag_p99_us": 1.0, "lag_cpu_sender_us": 0.4,
}
# The figure itself counts.
ABSOLUTE = {
    "join_loss10_s": 5, "join_loss30_s": 30, "join_slow_resets": 0,
    "full_cpu_sender_us": 10, "paced_life_cpu_sender_us": 15,
}
AT_LEAST = {"full_rate_kept_percent": 90}
# Against the same transfer over a clean link: bytes, or the time of its bytes at 100 Mbit/s.
JOIN_BYTES = {"join_loss10_mb": 3, "join_slow_mb": 1.5}
LINK_MB_S = 12.5
LINK_TIMES = 2


def read(path):
    values = {}
    with open(path, encoding="ascii") as results:
        for line in results:
            words = line.split()
            if len(words) == 4:
                transport, who, what, value = words
                figure = values.setdefault((transport, what), {})
                figure.setdefault(who, []).append(float(value))
    return {key: {who: statistics.median(list_) for who, list_ in figure.items()}
            for key, figure in values.items()}


def judge(medians, transport, what, ours, ratio):
    """The target as text, and whether it is met."""
    clean = medians.get((transport, "join_clean_mb"), {}).get("ours")
    complete = medians.get((transport, what[:-len("_s")] + "_complete_percent"), {}).get("ours")
    if what.endswith("_complete_percent"):
        return "100", ours == 100
    if what in ABSOLUTE and transport != "cpg":
        return f"<= {ABSOLUTE[what]}", ours <= ABSOLUTE[what] and complete in (100, None)
    if what in AT_LEAST:
        return f">= {AT_LEAST[what]}", ours >= AT_LEAST[what]
    if what in JOIN_BYTES and clean:
        return f"<= {JOIN_BYTES[what] * clean:.1f}", ours <= JOIN_BYTES[what] * clean
    if what == "join_slow_s" and clean:
        limit = LINK_TIMES * clean / LINK_MB_S
        return f"<= {limit:.2f}", ours <= limit and complete == 100
    if what in TARGETS and ratio == ratio:
        return f"<= {TARGETS[what]}x", ratio <= TARGETS[what]
    return "", True


def main():
    nan = float("nan")
    medians = read(sys.argv[1])
    rows = []
    for (transport, what), who in medians.items():
        ours, rival = who.get("ours", nan), who.get("rival", nan)
        ratio = ours / rival if rival else nan
        target, met = judge(medians, transport, what, ours, ratio)
        rows.append(dict(transport=transport, what=what, ours=ours, rival=rival, ratio=ratio,
                         before=who.get("before", nan), none=who.get("none", nan),
                         target=target, met=met))
    if "--json" in sys.argv:
        json.dump(rows, sys.stdout, indent=1)
        return
    extra = [name for name in ("before", "none") if any(r[name] == r[name] for r in rows)]
    print(f"{'':10}{'figure (median)':28}{'ours':>10}{'rival':>10}{'ratio':>8}"
          + "".join(f"{name:>10}" for name in extra) + "  target")
    for r in rows:
        print(f"{r['transport']:10}{r['what']:28}{r['ours']:10.3f}{r['rival']:10.3f}{r['ratio']:8.2f}"
              + "".join(f"{r[name]:10.3f}" for name in extra)
              + f"  {r['target']}{'' if r['met'] else '  MISSED'}")


main()
