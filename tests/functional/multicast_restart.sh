#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# restart.sh over multicast
CTS_TRANSPORT=multicast exec "$(dirname "$0")/restart.sh"
