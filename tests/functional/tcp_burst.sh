#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# burst.sh over tcp
CTS_TRANSPORT=tcp exec "$(dirname "$0")/burst.sh"
