#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# burst.sh over multicast
CTS_TRANSPORT=multicast exec "$(dirname "$0")/burst.sh"
