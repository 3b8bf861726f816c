#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Larger tables and single questions, each within its bounds.
for name in $("$CTS_BUILD/tests/sim/sim" --scenario list); do
	"$CTS_BUILD/tests/sim/sim" --scenario "$name" || exit 1
done
