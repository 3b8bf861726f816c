#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The simulation finds each deliberately broken rule within 200 seeds, those not counted
# that fail with every rule whole (open_seeds). core/sync/types.h says what the rules are.
for rule in late settle count blindly keep digest forget start; do
	for program in sim sim_small; do
		first=$(awk -v p=$program '$1 == p { print $2 }' "$CTS_SRC/tests/sim/open_seeds" |
			sort -n | head -n 1)
		"$CTS_BUILD/tests/sim/$program" --seeds "1-$((${first:-201} - 1))" --break $rule || exit 1
	done
done
