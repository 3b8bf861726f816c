/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -C: how many entries the table has. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/table.h"

int cmd_count(struct cmdline *cl)
{
	int64_t n = cts_table_count();

	if (n < 0)
		return report_failure(cl->command, errno);
	printf(cl->output & OUT_JSON ? "{\"entries\":%" PRId64 "}\n" : "%" PRId64 "\n", n);
	return EXIT_OK;
}
