/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -L: dump -> selection -> printer. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/question.h"

static void list_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

static int list_flows(struct cmdline *cl)
{
	struct cts_dump_conf conf = { .table = cl->table,
				      .zero_counters = cmdline_has(cl, OPT_ZERO) };
	struct printer *p = printer_open(cl);
	struct cts_pipeline *pipe = assemble(cl, printer_consumer(p));
	struct cts_flow pushed;
	struct cts_dump *dump;
	int status = EXIT_OK, more = -1;

	select_push(cl, &conf, &pushed);
	dump = cts_dump_open(&conf);
	while (dump && (more = cts_dump_step(dump, list_push, pipe)) > 0)
		;
	if (more < 0 && dump && errno == EINTR)
		report("the table changed while it was read: entries may be missing");
	else if (more < 0)
		status = report_failure(cl->command, errno);
	cts_dump_close(dump);
	if (printer_flush(p) < 0) {
		report("standard output: %s", strerror(errno));
		status = EXIT_OTHER;
	}
	if (status == EXIT_OK)
		report_count(printer_shown(p), "shown");
	cts_pipeline_destroy(pipe);
	printer_close(p);
	return status;
}

int cmd_list(struct cmdline *cl)
{
	return cmdline_has(cl, OPT_BY) ? cmd_groups(cl) : list_flows(cl);
}
