#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# silent.sh over tcp
CTS_TRANSPORT=tcp exec "$(dirname "$0")/silent.sh"
