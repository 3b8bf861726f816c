#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# snapshot.sh VERSION: keep today's public headers and examples. See README.md.
set -eu
cd "$(dirname "$0")"
[ $# = 1 ] || { echo "usage: snapshot.sh VERSION" >&2; exit 2; }
rm -rf "$1"
mkdir -p "$1/include" "$1/examples"
cp -r ../../core/include/ctsync "$1/include/"
for dir in ../../doc/examples/*/; do
	cp "$dir"*.c "$1/examples/"
done
