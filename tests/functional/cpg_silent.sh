#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# silent.sh over a real corosync
CTS_TRANSPORT=cpg exec "$(dirname "$0")/silent.sh"
