#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fresh.sh [TEST...]: a clean copy of this tree in an empty Debian 12, quickstart demo,
# then quickstart check: all tests there are must be built, and run (or those named,
# for an impatient reader). Root, debootstrap and a mirror are needed, and a quarter of
# an hour for all tests. `make check-long` runs it.
set -eu
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
mirror=${FRESH_MIRROR:-http://deb.debian.org/debian}
tmp=$(mktemp -d)
root=$tmp/root
base=${FRESH_BASE:-}   # an unpacked base folder, instead of debootstrap

[ "$(id -u)" = 0 ] || { echo "SKIP: root is needed"; exit 77; }
# mounts of our own go away with us
if [ -z "${FRESH_INSIDE:-}" ]; then
	rm -r "$tmp"
	FRESH_INSIDE=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi
cleanup()
{
	umount -R -l "$root" 2>/dev/null || true
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

make_root()
{
	if [ -n "$base" ]; then
		cp -a "$base" "$root"
	else
		command -v debootstrap >/dev/null || { echo "SKIP: debootstrap is missing"; exit 77; }
		debootstrap --variant=minbase --include=ca-certificates bookworm "$root" \
			"$mirror" >"$tmp/debootstrap.log" ||
			{ tail "$tmp/debootstrap.log"; exit 1; }
	fi
	# ip netns wants a root that is a mount
	mount --bind "$root" "$root"
	cp /etc/resolv.conf "$root/etc/"
	cat /etc/apt/apt.conf.d/*proxy* >"$root/etc/apt/apt.conf.d/99proxy" 2>/dev/null || true
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount --make-rslave "$root/sys"
	mount --make-rslave "$root/dev"
}

# What git has, or all but what was built.
copy_tree()
{
	mkdir "$root/ctsync"
	if [ -d "$src/.git" ]; then
		git -C "$src" archive HEAD | tar -x -C "$root/ctsync"
	else
		tar -C "$src" --exclude='./build*' --exclude=./configure -c . | tar -x -C "$root/ctsync"
	fi
}

inside()
{
	chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C \
		http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"
}

echo "# an empty Debian, and the tree"
make_root
copy_tree
if inside sh -c 'command -v cc || ls /usr/include/cmocka.h' >/dev/null 2>&1; then
	echo "this root is not empty"
	exit 1
fi

echo "# demo"
inside /ctsync/quickstart demo >"$tmp/demo.log" 2>&1 || { tail -n 40 "$tmp/demo.log"; exit 1; }
if inside ls /usr/include/cmocka.h >/dev/null 2>&1; then
	echo "demo brings what the tests need: nothing is shown here"
	exit 1
fi

echo "# check"
status=0
inside /ctsync/quickstart check "$@" >"$tmp/check.log" 2>&1 || status=$?
tail -n 30 "$tmp/check.log"

echo "# every test was built"
count=0
for t in $(inside make -s -C /ctsync/build list-tests | grep '^tests/'); do
	count=$((count + 1))
	[ -x "$root/ctsync/build/$t" ] || [ -x "$root/ctsync/$t" ] ||
		{ echo "not built: $t"; status=1; }
done
echo "$count tests"
if [ -n "${CTS_BUILD:-}" ]; then
	direct=$(make -s -C "$CTS_BUILD" list-tests | grep -c '^tests/')
	[ "$direct" = "$count" ] || { echo "a direct check has $direct"; status=1; }
fi
exit $status
