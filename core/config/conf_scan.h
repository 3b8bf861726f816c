/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A look at configuration files before libconfig reads them. */
#ifndef CTS_CONFIG_CONF_SCAN_H
#define CTS_CONFIG_CONF_SCAN_H

#include "core/plugin/option_table.h"

/*
 * Refuse, for path and all that it includes (relative to the current folder, as
 * libconfig does): what is no regular file, cannot be read or is too large, NUL
 * bytes, and integers that libconfig would cut to 32 bits without a word.
 * report->file is what messages call path. 0, or -1: reported.
 */
int cts_conf_scan(const char *path, struct cts_report *report);

#endif
