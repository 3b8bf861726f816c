#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quickstart and summary.sh on a tree of cardboard: configure runs again when what the
# tests need has come, and a test that did not run is a failure. fresh.sh does the same
# with the real tree in an empty Debian; this one takes a second.
set -u
src=${CTS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL CTS_SUMMARY CTS_BUILD_DIR CTS_CONFIGURE CTS_BUILD CTS_SRC || true
export CI= INSTALLED=$tmp/installed CONFIGURED=$tmp/configured
export CTS_POLICY_RC=$tmp/policy PATH=$tmp/bin:$PATH

fail()
{
	echo "FAILED: $*"
	cat "$tmp/out"
	exit 1
}

stub()
{
	cat >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# A package manager that works on a file with names.
make_stubs()
{
	mkdir -p "$tmp/bin"
	stub id <<<'echo 0'
	stub dpkg-query <<-'STUB'
	#!/bin/sh
	shift 2
	format=$1 status=1
	shift
	for p in "$@"; do
		grep -qx "$p" "$INSTALLED" || continue
		status=0
		case $format in *Version*) echo "installed $p 1" ;; *) echo installed ;; esac
	done
	exit $status
	STUB
	stub apt-get <<-'STUB'
	#!/bin/sh
	case $* in
	*install*) for p in "$@"; do case $p in -*|install) ;; *) echo "$p" >>"$INSTALLED" ;; esac; done ;;
	download*) for p in "$@"; do :; done; : >"${p}_1.deb" ;;
	esac
	STUB
	stub dpkg <<<'exit 0'
}

# configure that finds cmocka or not, and a Makefile with one test that needs it.
make_tree()
{
	mkdir -p "$tmp/tree/tests/functional"
	cp "$src/quickstart" "$tmp/tree"
	cp "$src/tests/summary.sh" "$tmp/tree/tests"
	printf '#!/bin/sh\necho demonstrated\n' >"$tmp/tree/tests/functional/failover.sh"
	cat >"$tmp/tree/configure" <<-'STUB'
	#!/bin/sh
	echo "configure $*" >>"$CONFIGURED"
	unit=
	grep -qx libcmocka-dev "$INSTALLED" && unit=tests/unit/one
	cat >Makefile <<-MAKE
	all check tests/functional/tcpflow:
	clean: ; @echo clean >>"$CONFIGURED"
	check-TESTS: ; @mkdir -p tests/unit && for t in tests/script.sh $unit ; do \
		echo ":global-test-result: PASS" >\$\$t.trs; done
	list-tests: ; @printf '%s\n' tests/script.sh tests/unit/one
	MAKE
	printf '#!/bin/sh\n[ $# = 0 ] || { echo recheck >>%s; exec %s by-hand; }\n' \
		"$CONFIGURED" "$0" >config.status
	chmod +x config.status
	STUB
	chmod +x "$tmp/tree/configure" "$tmp/tree/tests/functional/failover.sh"
}

start_again()
{
	rm -rf "$tmp/tree/build" "$tmp/elsewhere"
	: >"$CONFIGURED"
	printf '%s\n' gcc make >"$INSTALLED"
}

quickstart()
{
	"$tmp/tree/quickstart" "$@" >"$tmp/out" 2>&1
}

# expect STATUS LINE COMMAND...: how it ends, and the last line it prints
expect()
{
	local want=$1 line=$2 status=0

	shift 2
	"$@" || status=$?
	[ $status = "$want" ] || fail "$*: status $status instead of $want"
	[ "$(tail -n 1 "$tmp/out")" = "$line" ] || fail "$*: does not end with: $line"
}

configured()
{
	local n
	n=$(grep -c configure "$CONFIGURED")
	[ "$n" = "$1" ] || fail "configure ran $n times instead of $1"
}

all_pass='2 passed, 0 failed, 0 skipped'
make_stubs
make_tree

echo "# check after demo finds what the tests need"
start_again
expect 0 demonstrated quickstart demo
configured 1
expect 0 "$all_pass" quickstart check
configured 2
expect 0 "$all_pass" quickstart check
expect 0 demonstrated quickstart demo
configured 2

echo "# from another folder, into another build"
start_again
cd "$tmp" || exit 1
CTS_BUILD_DIR=elsewhere expect 0 "$all_pass" quickstart check
[ -f "$tmp/elsewhere/Makefile" ] && [ ! -e "$tmp/tree/build" ] || fail "not built elsewhere"
configured 1

echo "# a test that was not built is a failure, and an old result is not a new one"
start_again
quickstart check || fail "check"
sed -i 's| tests/unit/one | |' "$tmp/tree/build/Makefile"
expect 1 '1 passed, 0 failed, 0 skipped, 1 not run' quickstart check
grep -q '^not run: .*/tests/unit/one$' "$tmp/out" || fail "the test is not named"

echo "# tests that are named are the only ones that count"
expect 0 '1 passed, 0 failed, 0 skipped' quickstart check tests/script.sh

echo "# a build configured by hand keeps its options"
start_again
mkdir -p "$tmp/tree/build"
(cd "$tmp/tree/build" && ../configure by-hand)
expect 0 "$all_pass" quickstart check
grep -qx recheck "$CONFIGURED" || fail "configured again"

echo "# other options: everything is built again"
CTS_CONFIGURE=--enable-sanitizers expect 0 "$all_pass" quickstart check
grep -qx clean "$CONFIGURED" || fail "objects of the other options stay"
tail -n 1 "$CONFIGURED" | grep -q sanitizers || fail "options are not given to configure"

echo "# failed and skipped tests"
summary() { "$src/tests/summary.sh" "$tmp/tree/build" >"$tmp/out" 2>&1; }
trs=$tmp/tree/build/tests/unit/one
echo ':global-test-result: SKIP' >"$trs.trs"
expect 0 '1 passed, 0 failed, 1 skipped' summary
CI=true expect 1 '1 passed, 0 failed, 1 skipped' summary
echo ':global-test-result: FAIL' >"$trs.trs"
echo 'what went wrong' >"$trs.log"
expect 1 '1 passed, 1 failed, 0 skipped' summary
grep -q 'what went wrong' "$tmp/out" || fail "the log is not shown"
rm -r "$tmp/tree/build"
expect 1 '0 passed, 0 failed, 0 skipped, 1 not run' summary
