#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Manual pages have the options of the option tables.
set -eu
cd "$CTS_BUILD"
"$CTS_SRC/doc/man/update.sh" --check doc/man/manopts "$CTS_SRC"/doc/man/*.5
