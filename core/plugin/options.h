/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is inside struct cts_options; for core/plugin alone. */
#ifndef CTS_PLUGIN_OPTIONS_H
#define CTS_PLUGIN_OPTIONS_H

#include "core/plugin/option_value.h"

struct cts_options {
	const struct cts_option *table; /* lent */
	char *subject;                  /* owned; may be "" */
	char *file;                     /* owned; NULL: not from a file */
	unsigned int line;              /* where the group begins */
	size_t n;                       /* rows of the table */
	struct option_value values[];   /* one for each row */
};

/* -- a parse: option_table.c -- */

struct cts_parse {
	struct cts_options *opt;
	struct cts_report *report;
	const char *ignore; /* names of somebody else, split by spaces, or NULL */
	bool failed;
};

/* 0, or -1 and errno (reported). */
int cts_parse_begin(struct cts_parse *ps, const struct cts_option *table, const char *subject,
		    const char *file);
void cts_parse_error(struct cts_parse *ps, const char *name, unsigned int line, const char *why);
void cts_parse_unknown(struct cts_parse *ps, const char *name, unsigned int line);
/* Defaults for what was not set. NULL and errno: something was wrong. */
struct cts_options *cts_parse_end(struct cts_parse *ps);

#endif
