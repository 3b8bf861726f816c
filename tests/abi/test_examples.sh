#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples of doc/PLUGINS.md are built out of tree against the installed headers,
# loaded and run; so are those of every released version against their own headers.
set -eu
for tool in pkg-config make cc; do
	command -v $tool >/dev/null || { echo "SKIP: $tool is missing"; exit 77; }
done
[ -x "$CTS_BUILD/tests/abi/run_examples" ] || { echo "SKIP: cmocka is missing"; exit 77; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
# not the outer make's job server, and nothing of this build's flags
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS CPPFLAGS LDFLAGS DESTDIR || true

echo "# install headers, library and pkg-config file"
make -s -C "$CTS_BUILD" install-pkgincludeHEADERS install-pkgconfigDATA \
	install-libLTLIBRARIES DESTDIR="$tmp/root" >"$tmp/install.log" 2>&1 ||
	{ cat "$tmp/install.log"; exit 1; }
pc=$(find "$tmp/root" -name ctsync.pc)
export PKG_CONFIG_SYSROOT_DIR="$tmp/root" PKG_CONFIG_PATH="${pc%/*}"

run()
{
	# shellcheck disable=SC2086
	LD_LIBRARY_PATH="$CTS_BUILD/.libs" CTS_PLUGIN_PATH="$1" \
		"$CTS_BUILD/tests/abi/run_examples"
}

echo "# every header compiles alone, as C and as C++"
include=$(find "$tmp/root" -type d -path '*/include/ctsync')
for header in "$include"/*.h; do
	echo "#include <ctsync/${header##*/}>" >"$tmp/one.c"
	cc -std=c11 -Wall -Wextra -Werror -fsyntax-only -I"${include%/ctsync}" "$tmp/one.c"
	if command -v c++ >/dev/null; then
		c++ -x c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only \
			-I"${include%/ctsync}" "$tmp/one.c"
	fi
done

echo "# the examples, each with its own Makefile"
mkdir "$tmp/modules"
for dir in "$CTS_SRC"/doc/examples/*/; do
	work=$tmp/$(basename "$dir")
	cp -r "$dir" "$work"
	make -s -C "$work" CFLAGS="-O2 -Wall -Wextra -Werror"
	make -s -C "$work" install DESTDIR="$tmp/plugins"
	cp "$work"/*.so "$tmp/modules/"
done
[ "$(find "$tmp/plugins" -name '*.so' | wc -l)" = 3 ] || { echo "make install lacks a module"; exit 1; }
run "$tmp/modules"

for old in "$CTS_SRC"/tests/abi/*/include; do
	[ -d "$old" ] || continue
	version=$(basename "${old%/include}")
	echo "# the examples as released with $version"
	mkdir "$tmp/$version"
	for src in "${old%/include}"/examples/*.c; do
		cc -O2 -fPIC -shared -I"$old" -o "$tmp/$version/$(basename "$src" .c).so" "$src"
	done
	run "$tmp/$version"
done
