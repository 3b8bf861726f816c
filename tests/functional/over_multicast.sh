#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# over.sh over multicast
exec "$(dirname "$0")/over.sh" multicast
