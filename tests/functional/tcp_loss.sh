#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# loss.sh over tcp
CTS_TRANSPORT=tcp exec "$(dirname "$0")/loss.sh"
