#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# over.sh over tcp
exec "$(dirname "$0")/over.sh" tcp
