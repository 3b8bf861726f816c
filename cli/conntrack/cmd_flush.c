/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -F: empty the table. Success is said only when it is one. */
#include "config.h"

#include <errno.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/table.h"

int cmd_flush(struct cmdline *cl)
{
	if (cts_table_flush(cl->family) < 0)
		return report_failure(cl->command, errno);
	report("connection tracking table has been emptied.");
	return EXIT_OK;
}
