#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# restart.sh over a real corosync
CTS_TRANSPORT=cpg exec "$(dirname "$0")/restart.sh"
