#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# links.sh over tcp
CTS_TRANSPORT=tcp exec "$(dirname "$0")/links.sh"
