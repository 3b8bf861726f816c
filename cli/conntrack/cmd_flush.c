/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -F: empty the table. Success is said only when it is one. */
#include "config.h"

#include <errno.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/writer.h"

int cmd_flush(struct cmdline *cl)
{
	const struct cts_writer_conf conf = { 0 };
	struct cts_writer *w = cts_writer_open(&conf);
	int status = EXIT_OK;

	if (!w || cts_writer_flush_table(w, cl->family) < 0)
		status = report_failure(cl->command, errno);
	else
		report("connection tracking table has been emptied.");
	if (w)
		cts_writer_close(w);
	return status;
}
