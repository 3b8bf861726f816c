/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups as text, CSV or JSON. */
#ifndef CONNTRACK_GROUP_PRINT_H
#define CONNTRACK_GROUP_PRINT_H

#include <stdio.h>

#include "cli/conntrack/group_key.h"
#include "cli/conntrack/groups.h"

#define GROUP_COLUMNS_MAX 4u

enum group_column_kind {
	COLUMN_SUM, COLUMN_RATE, COLUMN_PERCENT,
	COLUMN_UNKNOWN,              /* of CSV: an empty field */
};

struct group_column {
	const char *name;
	unsigned int sum;            /* index into the sums of a group */
	enum group_column_kind kind;
};

struct group_listing {
	const struct group_by *by;
	enum group_form form;
	const struct cts_labelmap *labels;   /* lent; NULL: by number */
	struct group_column column[GROUP_COLUMNS_MAX];
	unsigned int n_columns;
	const uint64_t *total;               /* sums of all, what percent is of */
	uint64_t time_ns;                    /* end of the interval; 0: of a table */
	double seconds;                      /* the interval's, what rates are of */
	bool head;                           /* names of the columns first (not in JSON) */
};

/* Print these groups; what is said of a time is its interval. */
void group_print(const struct group_listing *gl, const struct group *const *list, size_t n,
		 FILE *fp);

#endif
