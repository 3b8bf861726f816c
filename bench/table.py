#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians and ratios of bench/replication.sh's results; --json for machines."""
import json
import statistics
import sys

# Ours against the established daemon's, as a ratio; None: the figure itself counts.
TARGETS = {
    "paced_cpu_sender_us": 0.4, "paced_cpu_receiver_us": 0.4,
    "burst_cpu_sender_us": 0.35, "burst_cpu_receiver_us": 0.2,
    "paced_wire_bytes": 0.6, "rss_owner_bytes": 0.3, "rss_replica_bytes": 0.3,
    "commit_s": 0.4, "bulk_s": 0.6, "bulk_cpu_sender_us": 0.6, "bulk_cpu_receiver_us": 0.6,
}
ABSOLUTE = {"lag_p50_us": 300, "lag_p99_us": 2000}
COMPLETE = ("paced_complete_percent", "burst_complete_percent", "bulk_complete_percent")


def main():
    values = {}
    for line in open(sys.argv[1], encoding="ascii"):
        words = line.split()
        if len(words) == 4:
            transport, who, what, value = words
            values.setdefault((transport, what), {}).setdefault(who, []).append(float(value))
    rows = []
    for (transport, what), both in values.items():
        ours = statistics.median(both.get("ours", [float("nan")]))
        rival = statistics.median(both.get("rival", [float("nan")]))
        ratio = ours / rival if rival else float("nan")
        if "rival" not in both and what not in COMPLETE or transport == "cpg" and what in ABSOLUTE:
            target, met = "", True
        elif what in TARGETS:
            target, met = f"<= {TARGETS[what]}x", ratio <= TARGETS[what]
        elif what in ABSOLUTE:
            target, met = f"<= {ABSOLUTE[what]}", ours <= ABSOLUTE[what]
        elif what in COMPLETE:
            target, met = "100", ours == 100
        else:
            target, met = "", True
        rows.append(dict(transport=transport, what=what, ours=ours, rival=rival,
                         ratio=ratio, target=target, met=met))
    if "--json" in sys.argv:
        json.dump(rows, sys.stdout, indent=1)
        return
    print(f"{'':10}{'figure (median)':26}{'ours':>10}{'rival':>10}{'ratio':>8}  target")
    for r in rows:
        print(f"{r['transport']:10}{r['what']:26}{r['ours']:10.3f}{r['rival']:10.3f}"
              f"{r['ratio']:8.2f}  {r['target']}{'' if r['met'] else '  MISSED'}")


main()
