#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first seeds with the real constants and with tiny ones: as many as fit a minute on a
# machine that has other work. `sim --seeds A-B --jobs 2` runs any others; open_seeds names
# those that are known to fail.
status=0
for program in sim sim_small; do
	"$CTS_BUILD/tests/sim/$program" --seeds 1-400 || status=1
done
exit $status
