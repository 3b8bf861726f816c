/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -L --by, -C --by: dump -> selection -> groups; memory is that of the groups. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/conntrack/question.h"

static void table_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

int table_read(struct cmdline *cl, struct cts_consumer *consumer)
{
	/* Counters that are read and not shown would be lost. */
	struct cts_dump_conf conf = { .table = cl->table,
				      .zero_counters = cmdline_has(cl, OPT_ZERO),
				      .read_ahead = !cmdline_has(cl, OPT_ZERO) };
	struct cts_pipeline *pipe = assemble(cl, consumer);
	struct cts_flow pushed;
	struct cts_dump *dump;
	int status = EXIT_OK;

	select_push(cl, &conf, &pushed);
	dump = cts_dump_open(&conf);
	if (!dump || cts_dump_run(dump, table_push, pipe) < 0) {
		if (dump && errno == EINTR)
			report("the table changed while it was read: entries may be missing");
		else
			status = report_failure(cl->command, errno);
	}
	cts_dump_close(dump);
	cts_pipeline_destroy(pipe);
	return status;
}

static void say_not_accounted(const struct cmdline *cl)
{
	if (tally_sort(cl))
		report("no packets and bytes are counted here: `sysctl -w "
		       "net.netfilter.nf_conntrack_acct=1' has those of new flows counted");
}

/* The columns of CSV are always the same. */
static void entry_columns(struct group_listing *gl, bool accounted, unsigned int sort)
{
	enum group_column_kind kind = accounted ? COLUMN_SUM : COLUMN_UNKNOWN;

	gl->column[gl->n_columns++] = (struct group_column){ "count", 0, COLUMN_SUM };
	if (accounted || gl->form == GROUP_CSV) {
		gl->column[gl->n_columns++] = (struct group_column){ "packets", 1, kind };
		gl->column[gl->n_columns++] = (struct group_column){ "bytes", 2, kind };
	}
	gl->column[gl->n_columns++] = (struct group_column){ "percent", sort, COLUMN_PERCENT };
}

static void groups_show(const struct tally *t, const struct cmdline *cl)
{
	const uint64_t *total = groups_total(t->groups);
	struct group_listing gl = { .by = &t->by, .form = tally_form(cl), .labels = t->labels,
				    .total = total, .head = true };
	size_t shown;

	entry_columns(&gl, t->accounted, tally_sort(cl));
	shown = tally_print(t, cl, &gl);
	if (!t->accounted && total[0])
		say_not_accounted(cl);
	tally_report_refused(t);
	if (cl->command->id == CMD_LIST)
		report("%" PRIu64 " flow entries in %zu groups, %zu of them have been shown.",
		       total[0], groups_count(t->groups), shown);
}

int cmd_groups(struct cmdline *cl)
{
	struct tally t;
	int status;

	tally_open_entries(&t, cl);
	status = table_read(cl, &t.consumer);
	if (status == EXIT_OK)
		groups_show(&t, cl);
	tally_close(&t);
	return status;
}
