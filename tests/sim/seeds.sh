#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# As many seeds as fit in the time, with the real constants and with tiny ones.
s=${CTS_SIM_SECONDS:-20}
"$CTS_BUILD/tests/sim/sim" --seeds 1-100000 --time "$s" || exit 1
"$CTS_BUILD/tests/sim/sim_small" --seeds 1-100000 --time "$s"
