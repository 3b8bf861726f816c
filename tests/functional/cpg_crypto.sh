#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# burst.sh over a corosync that encrypts
CTS_TRANSPORT=cpg COROSYNC_CRYPTO=on exec "$(dirname "$0")/burst.sh"
