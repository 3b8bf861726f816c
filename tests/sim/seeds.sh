#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Seeds 1 to 150 with the real constants and with tiny ones, but for those that open_seeds
# names: what they show is not mended yet. `sim --seeds A-B --jobs 2` runs any others.
last=150 status=0

# ranges PROGRAM: the seeds between the open ones
ranges()
{
	local first=1 seed
	for seed in $(awk -v p="$1" '$1 == p { print $2 }' "$CTS_SRC/tests/sim/open_seeds" | sort -n) $((last + 1)); do
		[ "$first" -ge "$seed" ] || echo "$first-$((seed - 1))"
		first=$((seed + 1))
	done
}

for program in sim sim_small; do
	for range in $(ranges $program); do
		"$CTS_BUILD/tests/sim/$program" --seeds "$range" || status=1
	done
done
exit $status
