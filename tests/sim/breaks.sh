#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The simulation finds each deliberately broken rule within 200 seeds.
for rule in late sweep digest; do
	"$CTS_BUILD/tests/sim/sim" --seeds 1-200 --break $rule || exit 1
done
