#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The simulation finds each deliberately broken rule within 200 seeds.
for rule in late settle count blindly; do
	"$CTS_BUILD/tests/sim/sim" --seeds 1-200 --break $rule || exit 1
	"$CTS_BUILD/tests/sim/sim_small" --seeds 1-200 --break $rule || exit 1
done
