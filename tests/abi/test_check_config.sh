#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrackd --check-config takes every sample, and says of broken files what is wrong
# with file and line, all mistakes in one run, with exit status 1. --plugins knows
# every module. (test_samples has many more broken files, without the program.)
set -u
daemon=$CTS_BUILD/conntrackd
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

fail()
{
	echo "FAIL: $*"
	cat "$tmp/out"
	failed=1
}

# run WANTED_STATUS ARG...
run()
{
	want=$1
	shift
	"$daemon" "$@" >"$tmp/out" 2>&1
	got=$?
	[ $got = "$want" ] || fail "conntrackd $*: exit status $got, wanted $want"
}

says()
{
	grep -qF "$1" "$tmp/out" || fail "does not say: $1"
}

for sample in "$CTS_SRC"/conf/*.cfg; do
	run 0 -C "$sample" --check-config
done

cat >"$tmp/broken.cfg" <<'END'
log = { level = "loud"; };
sync = {
  transports = ( { plugin = "udp"; address = "10.0.0.1"; peers = ( "10.0.0.2" ); port = 0; } );
};
filters = ( { plugin = "adress"; } );
END
run 1 -C "$tmp/broken.cfg" --check-config
says "$tmp/broken.cfg:1: log.level: \"loud\" is not one of the choices"
says "$tmp/broken.cfg:3: udp.port: 0 is out of range, allowed: an integer from 1 to 65535"
says "$tmp/broken.cfg:5: filters.plugin: \"adress\" cannot be loaded"
# a mistake, a line each, whatever else is said without a place
[ "$(grep -cF "$tmp/broken.cfg:" "$tmp/out")" = 3 ] || fail "not three mistakes"

echo 'log = {' >"$tmp/syntax.cfg"
run 1 -C "$tmp/syntax.cfg" --check-config
says "syntax error"
run 1 -C "$tmp/none.cfg" --check-config
says "$tmp/none.cfg: No such file or directory"

run 0 --plugins
for module in "$CTS_BUILD"/.libs/*.so; do
	name=$(basename "$module" .so)
	case $name in lib*) continue ;; esac
	says "$name "
done
run 0 --plugins udp
says "udp: transport"
run 1 --plugins nonsense
exit $failed
