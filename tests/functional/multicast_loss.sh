#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# loss.sh over multicast
CTS_TRANSPORT=multicast exec "$(dirname "$0")/loss.sh"
