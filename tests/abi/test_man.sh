#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Manual pages have the options of the option tables, and every plugin has a page.
set -eu
cd "$CTS_BUILD"
"$CTS_SRC/doc/man/update.sh" --check doc/man/manopts "$CTS_SRC"/doc/man/*.5
for module in .libs/*.so; do
	name=$(basename "$module" .so)
	case $name in lib*) continue ;; esac
	[ -f "$CTS_SRC/doc/man/ctsync-$name.5" ] || { echo "$name has no manual page" >&2; exit 1; }
done
