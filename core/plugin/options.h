/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is inside struct cts_options; for core/plugin alone. */
#ifndef CTS_PLUGIN_OPTIONS_H
#define CTS_PLUGIN_OPTIONS_H

#include "core/plugin/option_value.h"

struct cts_options {
	const struct cts_option *table;  /* lent */
	char *subject;                   /* owned; may be "" */
	char *file;                      /* owned; NULL: not from a file */
	unsigned int line;               /* where the group begins */
	size_t n;                        /* rows of the table */
	struct option_value values[];    /* one for each row */
};

#endif
