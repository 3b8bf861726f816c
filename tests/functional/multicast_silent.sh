#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# silent.sh over multicast
CTS_TRANSPORT=multicast exec "$(dirname "$0")/silent.sh"
