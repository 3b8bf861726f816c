#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cli_diff.sh with the options of the protocols
CTS_CASES=cli_proto.cases exec "$(dirname "$0")/cli_diff.sh" "$@"
