#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# over.sh over a real corosync
exec "$(dirname "$0")/over.sh" cpg
