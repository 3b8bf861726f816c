#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The simulation finds each deliberately broken rule within 200 seeds, of which none fails
# with every rule whole (seeds.sh). core/sync/types.h says what the rules are.
for rule in late settle count blindly keep digest forget start; do
	for program in sim sim_small; do
		"$CTS_BUILD/tests/sim/$program" --seeds 1-200 --break $rule || exit 1
	done
done
