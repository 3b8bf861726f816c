#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nodes owe to each other whatever carries it: the scenarios of failback, cache
# commands, names, copies, injection, modes and asymmetric routes over one transport.
#   over.sh TRANSPORT [SCENARIO...]
dir=$(dirname "$0")
export CTS_TRANSPORT=$1
shift
[ $# -gt 0 ] || set -- asymmetric confirmed copies failback flush_cache inject_leave inject_refused modes names
[ "$CTS_TRANSPORT" != multicast ] || set -- "$@" bystander paths
status=0
for name in "$@"; do
	"$dir/$name.sh"
	case $? in
	0) ;;
	77) exit 77 ;;
	*) echo "FAILED: $name over $CTS_TRANSPORT"; status=1 ;;
	esac
done
exit $status
