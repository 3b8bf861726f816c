#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
COROSYNC_CRYPTO=on exec "$(dirname "$0")/cluster.sh" cpg 3
